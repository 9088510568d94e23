#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/container.h>
#include <linux/heap.h>
#include <linux/mounts.h>
#include <linux/pool.h>
#include <linux/single.h>
#include <string.h>

static void write_file(const char *name, const char *text)
{
    struct path path;
    struct file *file;
    uint64_t position = 0;
    EXPECT_EQ(path_make(AT_FDCWD, name, S_IFREG | 0644, 0, &path), 0);
    EXPECT_EQ(file_open(&path, O_WRONLY, &file), 0);
    EXPECT_EQ(file_write_own(file, text, strlen(text), &position), (int64_t)strlen(text));
    file_put(file);
    path_put(&path);
}

static void with_databases(const char *users, const char *groups, void (*check)(void))
{
    struct path path;
    EXPECT_EQ(pool_create((uint64_t)64 << 20), 0);
    EXPECT_EQ(mounts_start(NULL, 0), 0);
    struct task *task = single_task_begin();
    EXPECT_EQ(path_make(AT_FDCWD, "/etc", S_IFDIR | 0755, 0, &path), 0);
    path_put(&path);
    if (users != NULL)
        write_file("/etc/passwd", users);
    if (groups != NULL)
        write_file("/etc/group", groups);
    check();
    single_task_end(task);
    mounts_end();
    pool_destroy();
    EXPECT_EQ(heap_counts().blocks, 0);
}

static const char users[] = "root:x:0:0:root:/root:/bin/sh\n"
                            "broken\n"
                            "worse:x:one:2::/:\n"
                            "alice:x:1000:100:Alice:/home/alice:/bin/sh\n"
                            "nohome:x:1001:100::relative:/bin/sh"; /* no line end */
static const char groups[] = "root:x:0:\nwheel:x:10:bob,alice\nx:y\naudio:x:63:alicex,alice\n"
                             "staff:x:50:al,alic,alice2\n";

static void check_names(void)
{
    static const struct {
        const char *text;
        int error;
        uint32_t uid, gid;
        unsigned groups;
        const char *home;
    } cases[] = {
        { "", 0, 0, 0, 0, "/root" },
        { "alice", 0, 1000, 100, 2, "/home/alice" },
        { "1000", 0, 1000, 100, 2, "/home/alice" },
        { "alice:wheel", 0, 1000, 10, 0, "/home/alice" },
        { "alice:77", 0, 1000, 77, 0, "/home/alice" },
        { "alice:", 0, 1000, 100, 2, "/home/alice" },
        { ":wheel", 0, 0, 10, 0, "/root" },
        { "4000", 0, 4000, 0, 0, "/" },
        { "4000:4001", 0, 4000, 4001, 0, "/" },
        { "nohome", 0, 1001, 100, 0, "/" },
        { "worse", -EINVAL, 0, 0, 0, "/" },
        { "bob", -EINVAL, 0, 0, 0, "/" },
        { "alice:nobody", -EINVAL, 0, 0, 0, "/" },
        { "4294967295", -EINVAL, 0, 0, 0, "/" },
        { "99999999999999999999999", -EINVAL, 0, 0, 0, "/" },
        { "a-name-that-is-longer-than-any-name-of-a-user-may-be-on-this-system-here", -EINVAL, 0, 0,
          0, "/" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct user user;
        EXPECT_EQ(user_find(cases[i].text, &user), cases[i].error);
        if (cases[i].error != 0)
            continue;
        EXPECT_EQ(user.uid, cases[i].uid);
        EXPECT_EQ(user.gid, cases[i].gid);
        EXPECT_EQ(user.group_count, cases[i].groups);
        EXPECT_STR(user.home, cases[i].home);
    }
}

TEST(names_are_the_images_own)
{
    with_databases(users, groups, check_names);
}

static void check_numbers(void)
{
    struct user user;
    EXPECT_EQ(user_find("1000:1001", &user), 0);
    EXPECT(user.uid == 1000 && user.gid == 1001);
    EXPECT_EQ(user_find("", &user), 0);
    EXPECT_EQ(user_find("root", &user), -EINVAL);
}

TEST(numbers_need_no_database)
{
    with_databases(NULL, NULL, check_numbers);
}

static void check_memory(void)
{
    struct user user;
    for (uint64_t n = 1; n <= 2; n++) {
        heap_fail_after(n);
        EXPECT_EQ(user_find("alice", &user), -ENOMEM);
        heap_fail_after(0);
    }
}

TEST(no_memory_is_no_user)
{
    with_databases(users, groups, check_memory);
}
