/* What files give to who runs them: from the attribute in a file to the sets after execve. */
#include "fixture.h"
#include "image.h"
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <string.h>

#define AT(text) guest_text(&f, text)

enum { BYTES_2 = 20, BYTES_3 = 24 };
#define NET_RAW CAP_BIT(CAP_NET_RAW)
#define CHOWN   CAP_BIT(CAP_CHOWN)

static struct file_fixture f;

/* Version 2 or 3, as setcap writes it. */
static size_t value_of(uint8_t value[BYTES_3], unsigned version, uint64_t permitted,
                       uint64_t inheritable)
{
    const uint64_t words[] = { (uint64_t)version << 24 | 1, permitted, inheritable, permitted >> 32,
                               inheritable >> 32,           0 };
    for (unsigned i = 0; i < BYTES_3; i++)
        value[i] = (uint8_t)(words[i / 4] >> (i % 4 * 8));
    return version == 3 ? BYTES_3 : BYTES_2;
}

TEST(capabilities_of_files_are_of_three_versions)
{
    uint8_t value[BYTES_3 + 1] = { 0 };
    struct program_gifts gifts = { 0 };
    size_t size_bytes = value_of(value, 2, NET_RAW | CAP_BIT(CAP_LAST), CHOWN);
    EXPECT_EQ(gifts_take_capabilities(&gifts, value, size_bytes), 0);
    EXPECT(gifts.has_capabilities && gifts.effective);
    EXPECT_EQ(gifts.permitted, NET_RAW | CAP_BIT(CAP_LAST));
    EXPECT_EQ(gifts.inheritable, CHOWN);
    value[0] = 0;     /* not at once */
    value[18] = 0xff; /* capabilities that there are not */
    EXPECT_EQ(gifts_take_capabilities(&gifts, value, size_bytes), 0);
    EXPECT(!gifts.effective);
    EXPECT_EQ(gifts.inheritable & ~CAP_ALL, 0);
    for (size_t size = 0; size <= sizeof(value); size++)
        EXPECT_EQ(gifts_take_capabilities(&gifts, value, size), size == BYTES_2 ? 0 : -EINVAL);
    value[3] = 4;
    EXPECT_EQ(gifts_take_capabilities(&gifts, value, BYTES_2), -EINVAL);
    value[3] = 1;
    EXPECT_EQ(gifts_take_capabilities(&gifts, value, 12), 0);
    EXPECT_EQ(gifts.permitted, NET_RAW);

    gifts = (struct program_gifts){ 0 };
    EXPECT_EQ(gifts_take_capabilities(&gifts, value, value_of(value, 3, NET_RAW, 0)), 0);
    EXPECT_EQ(gifts.permitted, NET_RAW);
    gifts = (struct program_gifts){ 0 };
    value[BYTES_2] = 1; /* the root of another user namespace */
    EXPECT_EQ(gifts_take_capabilities(&gifts, value, BYTES_3), 0);
    EXPECT(!gifts.has_capabilities && gifts.permitted == 0);
}

TEST(only_capabilities_can_be_put_into_their_attribute)
{
    uint8_t value[BYTES_3];
    file_fixture_init(&f, NULL, 0);
    uaddr_t name = AT("security.capability");
    EXPECT_EQ(file_fixture_write(&f, "/ping", "x"), 1);
    EXPECT_EQ(linux_setxattr(AT("/ping"), name, AT("x"), 1, 0), -EINVAL);
    EXPECT_EQ(linux_setxattr(AT("/ping"), name, AT("x"), 0, 0), -EINVAL);
    size_t size_bytes = value_of(value, 2, NET_RAW, 0);
    value[3] = 1;
    EXPECT_EQ(linux_setxattr(AT("/ping"), name, guest_bytes(&f, value, 12), 12, 0), -EINVAL);
    value[3] = 3;
    EXPECT_EQ(linux_setxattr(AT("/ping"), name, guest_bytes(&f, value, size_bytes), size_bytes, 0),
              -EINVAL);
    value[3] = 2;
    value[1] = 1;
    EXPECT_EQ(linux_setxattr(AT("/ping"), name, guest_bytes(&f, value, size_bytes), size_bytes, 0),
              -EINVAL);
    value[1] = 0;
    EXPECT_EQ(linux_setxattr(AT("/ping"), name, guest_bytes(&f, value, size_bytes), size_bytes, 0),
              0);
    size_bytes = value_of(value, 3, NET_RAW, 0);
    EXPECT_EQ(linux_setxattr(AT("/ping"), name, guest_bytes(&f, value, size_bytes), size_bytes, 0),
              0);
    file_fixture_become(&f, 1000, 1000);
    EXPECT_EQ(linux_setxattr(AT("/ping"), name, guest_bytes(&f, value, size_bytes), size_bytes, 0),
              -EPERM);
    file_fixture_become(&f, 0, 0);
    file_fixture_end(&f);
}

static void give(const char *path)
{
    uint8_t value[BYTES_3];
    size_t size_bytes = value_of(value, 2, NET_RAW, 0);
    EXPECT_EQ(linux_setxattr(AT(path), AT("security.capability"),
                             guest_bytes(&f, value, size_bytes), size_bytes, 0),
              0);
}

static int gifts_at(const char *name, struct program_gifts *gifts)
{
    struct path path;
    struct file *file;
    EXPECT_EQ(path_find(AT_FDCWD, name, LOOKUP_FOLLOW, &path), 0);
    EXPECT_EQ(file_open_program(&path, &file), 0);
    int error = program_gifts_of(file, gifts);
    file_put(file);
    path_put(&path);
    return error;
}

TEST(a_program_gives_what_its_file_has)
{
    struct program_gifts gifts;
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(file_fixture_write(&f, "/ping", "x"), 1);
    EXPECT_EQ(linux_chmod(AT("/ping"), 04755), 0);
    EXPECT_EQ(gifts_at("/ping", &gifts), 0);
    EXPECT(!gifts.has_capabilities && gifts.mode == (S_IFREG | 04755));
    give("/ping");
    EXPECT_EQ(gifts_at("/ping", &gifts), 0);
    EXPECT_EQ(gifts.permitted, NET_RAW);
    /* Whoever changes it may have changed what it does. */
    EXPECT_EQ(file_fixture_write(&f, "/ping", "y"), 1);
    EXPECT_EQ(gifts_at("/ping", &gifts), 0);
    EXPECT(!gifts.has_capabilities && gifts.mode == (S_IFREG | 04755));
    give("/ping");
    EXPECT_EQ(linux_truncate(AT("/ping"), 0), 0);
    EXPECT_EQ(linux_getxattr(AT("/ping"), AT("security.capability"), 0, 0), -ENODATA);
    give("/ping");
    EXPECT_EQ(linux_chown(AT("/ping"), 1, 1), 0);
    EXPECT_EQ(gifts_at("/ping", &gifts), 0);
    EXPECT(!gifts.has_capabilities && gifts.uid == 1 && gifts.mode == (S_IFREG | 0755));
    /* Nothing where the mount says so. */
    give("/ping");
    EXPECT_EQ(linux_mount(0, AT("/"), 0, MS_REMOUNT | MS_NOSUID, 0), 0);
    EXPECT_EQ(linux_chmod(AT("/ping"), 06755), 0);
    EXPECT_EQ(gifts_at("/ping", &gifts), 0);
    EXPECT(!gifts.has_capabilities && gifts.mode == 0);
    file_fixture_end(&f);
}

TEST(a_layers_attribute_counts_and_a_broken_one_runs_nothing)
{
    uint8_t value[BYTES_3 + 1] = { 0 };
    (void)value_of(value, 2, NET_RAW, 0);
    struct image_entry entries[] = {
        { .path = "good",
          .mode = S_IFREG | 0755,
          .capability = value,
          .capability_bytes = BYTES_2 },
        { .path = "short", .mode = S_IFREG | 0755, .capability = value, .capability_bytes = 7 },
        { .path = "long", .mode = S_IFREG | 0755, .capability = value, .capability_bytes = 25 },
    };
    struct layer layer;
    struct program_gifts gifts;
    image_layer(entries, ARRAY_LEN(entries), &layer);
    file_fixture_init(&f, &layer, 1);
    EXPECT_EQ(gifts_at("/good", &gifts), 0);
    EXPECT(gifts.effective && gifts.permitted == NET_RAW);
    EXPECT_EQ(gifts_at("/short", &gifts), -EINVAL);
    EXPECT_EQ(gifts_at("/long", &gifts), -ERANGE);
    file_fixture_end_layers(&f);
    image_layer_end(&layer);
}

/* ---- execve ---- */

/* The caller's sets; the bounding set is all. */
static void be(uint32_t uid, uint64_t permitted, uint64_t inheritable, uint64_t ambient)
{
    file_fixture_become(&f, uid, uid);
    struct cred *cred = f.task->cred;
    cred->bounding = CAP_ALL;
    cred->permitted = cred->effective = permitted;
    cred->inheritable = inheritable;
    cred->ambient = ambient;
}

struct outcome {
    int error;
    uint64_t permitted, effective, ambient;
    uint32_t euid;
    bool secure;
};

static struct outcome run(const struct program_gifts *gifts)
{
    struct cred *cred;
    struct outcome outcome = { 0 };
    outcome.error = cred_for_exec(gifts, &cred, &outcome.secure);
    if (outcome.error != 0)
        return outcome;
    outcome.permitted = cred->permitted;
    outcome.effective = cred->effective;
    outcome.ambient = cred->ambient;
    outcome.euid = cred->euid;
    cred_put(cred);
    return outcome;
}

static const struct program_gifts ping = {
    .mode = 0755, .has_capabilities = true, .effective = true, .permitted = NET_RAW
};

TEST(a_file_gives_capabilities_to_who_has_none)
{
    file_fixture_init(&f, NULL, 0);
    be(1000, 0, 0, 0);
    struct outcome got = run(&ping);
    EXPECT(got.error == 0 && got.permitted == NET_RAW && got.effective == NET_RAW && got.secure);
    struct program_gifts aware = ping;
    aware.effective = false;
    got = run(&aware);
    EXPECT(got.error == 0 && got.permitted == NET_RAW && got.effective == 0 && got.secure);
    /* What a program knows to inherit it gets from who has it to give. */
    struct program_gifts heir = { .has_capabilities = true, .inheritable = NET_RAW | CHOWN };
    be(1000, 0, CHOWN, 0);
    got = run(&heir);
    EXPECT(got.error == 0 && got.permitted == CHOWN && got.effective == 0);
    file_fixture_become(&f, 0, 0);
    file_fixture_end(&f);
}

TEST(the_bounding_set_bounds_what_a_file_gives)
{
    file_fixture_init(&f, NULL, 0);
    be(1000, 0, 0, 0);
    f.task->cred->bounding = CHOWN;
    EXPECT_EQ(run(&ping).error, -EPERM);
    struct program_gifts aware = ping;
    aware.effective = false;
    struct outcome got = run(&aware);
    EXPECT(got.error == 0 && got.permitted == 0 && !got.secure);
    be(0, CHOWN, 0, 0);
    f.task->cred->bounding = CHOWN;
    EXPECT_EQ(run(&ping).error, -EPERM);
    file_fixture_become(&f, 0, 0);
    file_fixture_end(&f);
}

TEST(nothing_is_gained_after_no_new_privs)
{
    file_fixture_init(&f, NULL, 0);
    be(1000, 0, 0, 0);
    f.task->cred->no_new_privileges = true;
    struct outcome got = run(&ping);
    EXPECT(got.error == 0 && got.permitted == 0 && got.effective == 0);
    be(1000, NET_RAW | CHOWN, 0, 0);
    f.task->cred->no_new_privileges = true;
    got = run(&ping);
    EXPECT(got.error == 0 && got.permitted == NET_RAW && got.effective == NET_RAW);
    /* Root that has given some away does not get them back either. */
    be(0, CHOWN, 0, 0);
    f.task->cred->no_new_privileges = true;
    got = run(&(struct program_gifts){ .mode = 0755 });
    EXPECT(got.error == 0 && got.permitted == CHOWN && got.effective == CHOWN);
    /* Nor does who is root by a program that was set-id before. */
    be(1000, CHOWN, 0, 0);
    f.task->cred->euid = 0;
    f.task->cred->no_new_privileges = true;
    got = run(&(struct program_gifts){ .mode = 0755 });
    EXPECT(got.error == 0 && got.euid == 1000 && got.permitted == CHOWN && got.secure);
    file_fixture_become(&f, 0, 0);
    file_fixture_end(&f);
}

TEST(root_needs_nothing_of_a_file)
{
    file_fixture_init(&f, NULL, 0);
    be(0, CAP_ALL, 0, 0);
    struct outcome got = run(&ping);
    EXPECT(got.error == 0 && got.permitted == CAP_ALL && got.effective == CAP_ALL && !got.secure);
    f.task->cred->securebits = SECBIT_NOROOT;
    got = run(&ping);
    EXPECT(got.error == 0 && got.permitted == NET_RAW && got.effective == NET_RAW);
    /* A program that becomes root and says what it needs gets that. */
    be(1000, 0, 0, 0);
    struct program_gifts both = ping;
    both.mode = 04755;
    got = run(&both);
    EXPECT(got.error == 0 && got.euid == 0 && got.permitted == NET_RAW && got.secure);
    both.has_capabilities = both.effective = false;
    both.permitted = 0;
    got = run(&both);
    EXPECT(got.error == 0 && got.euid == 0 && got.permitted == CAP_ALL);
    file_fixture_become(&f, 0, 0);
    file_fixture_end(&f);
}

TEST(ambient_capabilities_end_where_a_file_gives)
{
    file_fixture_init(&f, NULL, 0);
    be(1000, CHOWN, CHOWN, CHOWN);
    struct outcome got = run(&(struct program_gifts){ .mode = 0755 });
    EXPECT(got.error == 0 && got.permitted == CHOWN && got.effective == CHOWN);
    EXPECT(got.ambient == CHOWN && !got.secure);
    got = run(&ping);
    EXPECT(got.error == 0 && got.permitted == NET_RAW && got.ambient == 0);
    file_fixture_become(&f, 0, 0);
    file_fixture_end(&f);
}
