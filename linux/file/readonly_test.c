/* A root that stays as it is: what every changing call says there, and what goes on. */
#include "fixture.h"
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <linux/abi/stat.h>
#include <linux/abi/time.h>
#include <string.h>

#define AT(text) guest_text(&f, text)

static struct file_fixture f;

/* /file (root's, 0600), /open (0666), /link to it, /d with /d/e, /fifo; then nothing more. */
static void begin(void)
{
    struct linux_timespec old[2] = { { 1000, 0 }, { 1000, 0 } };
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(file_fixture_write(&f, "/file", "text"), 4);
    EXPECT_EQ(linux_chmod(AT("/file"), 0600), 0);
    EXPECT_EQ(file_fixture_write(&f, "/open", "text"), 4);
    EXPECT_EQ(linux_chmod(AT("/open"), 0666), 0);
    EXPECT_EQ(linux_symlink(AT("file"), AT("/link")), 0);
    EXPECT_EQ(linux_mkdir(AT("/d"), 0755), 0);
    EXPECT_EQ(linux_mkdir(AT("/d/e"), 0755), 0);
    EXPECT_EQ(linux_mkdir(AT("/tmp"), 0755), 0);
    EXPECT_EQ(linux_mknod(AT("/fifo"), S_IFIFO | 0666, 0), 0);
    EXPECT_EQ(linux_setxattr(AT("/file"), AT("user.x"), AT("y"), 1, 0), 0);
    EXPECT_EQ(linux_utimensat(AT_FDCWD, AT("/file"), guest_bytes(&f, old, sizeof(old)), 0), 0);
    EXPECT_EQ(linux_utimensat(AT_FDCWD, AT("/link"), guest_bytes(&f, old, sizeof(old)),
                              AT_SYMLINK_NOFOLLOW),
              0);
    EXPECT_EQ(mounts_keep_root(), 0);
}

static int64_t opens(const char *path, uint32_t flags)
{
    int64_t fd = linux_openat(AT_FDCWD, AT(path), flags, 0644);
    return fd < 0 ? fd : linux_close((int)fd);
}

TEST(names_of_a_read_only_root_stay)
{
    begin();
    EXPECT_EQ(linux_mkdir(AT("/new"), 0755), -EROFS);
    EXPECT_EQ(linux_mkdir(AT("/d"), 0755), -EEXIST); /* which comes first, as on Linux */
    EXPECT_EQ(linux_mknod(AT("/new"), S_IFREG | 0644, 0), -EROFS);
    EXPECT_EQ(linux_mknod(AT("/new"), S_IFIFO | 0644, 0), -EROFS);
    EXPECT_EQ(linux_symlink(AT("x"), AT("/new")), -EROFS);
    EXPECT_EQ(linux_symlink(AT("x"), AT("/file")), -EEXIST);
    EXPECT_EQ(linux_link(AT("/file"), AT("/new")), -EROFS);
    EXPECT_EQ(linux_link(AT("/file"), AT("/open")), -EEXIST);
    EXPECT_EQ(linux_link(AT("/dev/null"), AT("/new")), -EROFS);
    EXPECT_EQ(linux_link(AT("/file"), AT("/dev/shm/new")), -EXDEV);
    EXPECT_EQ(linux_unlink(AT("/file")), -EROFS);
    EXPECT_EQ(linux_unlink(AT("/none")), -EROFS);
    EXPECT_EQ(linux_rmdir(AT("/d/e")), -EROFS);
    EXPECT_EQ(linux_rename(AT("/file"), AT("/new")), -EROFS);
    EXPECT_EQ(linux_rename(AT("/none"), AT("/new")), -EROFS);
    EXPECT_EQ(linux_rename(AT("/file"), AT("/dev/shm/new")), -EXDEV);
    EXPECT_EQ(linux_renameat2(AT_FDCWD, AT("/file"), AT_FDCWD, AT("/open"), RENAME_EXCHANGE),
              -EROFS);
    file_fixture_become(&f, 1000, 1000);
    EXPECT_EQ(linux_mkdir(AT("/new"), 0755), -EROFS);
    EXPECT_EQ(linux_unlink(AT("/file")), -EROFS);
    file_fixture_become(&f, 0, 0);
    file_fixture_end(&f);
}

TEST(files_of_a_read_only_root_cannot_be_opened_for_writing)
{
    begin();
    EXPECT_EQ(opens("/new", O_WRONLY | O_CREAT), -EROFS);
    EXPECT_EQ(opens("/new", O_RDONLY | O_CREAT), -EROFS);
    EXPECT_EQ(opens("/file", O_RDONLY | O_CREAT), 0);
    EXPECT_EQ(opens("/file", O_RDONLY | O_CREAT | O_EXCL), -EEXIST);
    EXPECT_EQ(opens("/file", O_WRONLY), -EROFS);
    EXPECT_EQ(opens("/file", O_RDWR | O_APPEND), -EROFS);
    EXPECT_EQ(opens("/file", O_RDONLY | O_TRUNC), -EROFS);
    EXPECT_EQ(opens("/link", O_RDWR), -EROFS);
    EXPECT_EQ(opens("/d", O_TMPFILE | O_RDWR), -EROFS);
    EXPECT_EQ(opens("/d", O_RDWR), -EISDIR);
    EXPECT_EQ(linux_creat(AT("/file"), 0644), -EROFS);
    EXPECT_EQ(linux_truncate(AT("/file"), 0), -EROFS);
    EXPECT_EQ(linux_access(AT("/file"), MAY_WRITE), -EROFS);
    EXPECT_EQ(linux_access(AT("/d"), MAY_WRITE | MAY_EXECUTE), -EROFS);
    EXPECT_EQ(linux_access(AT("/file"), MAY_READ), 0);
    EXPECT_EQ(linux_access(AT("/fifo"), MAY_WRITE), 0);
    file_fixture_become(&f, 1000, 1000);
    EXPECT_EQ(opens("/file", O_WRONLY), -EACCES);
    EXPECT_EQ(opens("/file", O_WRONLY | O_TRUNC), -EROFS);
    EXPECT_EQ(opens("/open", O_WRONLY), -EROFS);
    EXPECT_EQ(linux_access(AT("/file"), MAY_WRITE), -EACCES);
    EXPECT_EQ(linux_access(AT("/open"), MAY_WRITE), -EROFS);
    EXPECT_EQ(linux_truncate(AT("/file"), 0), -EROFS);
    file_fixture_become(&f, 0, 0);
    file_fixture_end(&f);
}

TEST(attributes_of_a_read_only_root_stay)
{
    begin();
    int fd = (int)linux_openat(AT_FDCWD, AT("/file"), O_RDONLY, 0);
    EXPECT_EQ(linux_chmod(AT("/file"), 0644), -EROFS);
    EXPECT_EQ(linux_fchmod(fd, 0644), -EROFS);
    EXPECT_EQ(linux_chown(AT("/file"), 1, 1), -EROFS);
    EXPECT_EQ(linux_lchown(AT("/link"), 1, 1), -EROFS);
    EXPECT_EQ(linux_fchown(fd, 1, 1), -EROFS);
    EXPECT_EQ(linux_utimensat(AT_FDCWD, AT("/file"), 0, 0), -EROFS);
    EXPECT_EQ(linux_utimensat(fd, 0, 0, 0), -EROFS);
    EXPECT_EQ(linux_setxattr(AT("/file"), AT("user.x"), AT("z"), 1, 0), -EROFS);
    EXPECT_EQ(linux_lsetxattr(AT("/link"), AT("trusted.x"), AT("z"), 1, 0), -EROFS);
    EXPECT_EQ(linux_fsetxattr(fd, AT("user.x"), AT("z"), 1, 0), -EROFS);
    EXPECT_EQ(linux_removexattr(AT("/file"), AT("user.x")), -EROFS);
    EXPECT_EQ(linux_fremovexattr(fd, AT("user.x")), -EROFS);
    EXPECT_EQ(linux_getxattr(AT("/file"), AT("user.x"), guest_room(&f, 8), 8), 1);
    EXPECT_EQ(linux_ftruncate(fd, 0), -EINVAL); /* it was not opened for writing */
    EXPECT_EQ(linux_close(fd), 0);
    file_fixture_end(&f);
}

static int64_t accessed(const char *path)
{
    struct linux_statx out;
    uaddr_t at = guest_room(&f, sizeof(out));
    EXPECT_EQ(linux_statx(AT_FDCWD, AT(path), AT_SYMLINK_NOFOLLOW, 0, at), 0);
    EXPECT_EQ(copy_in(&out, at, sizeof(out)), 0);
    return out.accessed.seconds;
}

TEST(reading_a_read_only_root_leaves_no_trace)
{
    char text[16];
    uint8_t entries[512];
    begin();
    EXPECT_EQ(file_fixture_read(&f, "/link", text, sizeof(text)), 4);
    EXPECT_EQ(linux_readlink(AT("/link"), guest_room(&f, 8), 8), 4);
    EXPECT_EQ(accessed("/file"), 1000);
    EXPECT_EQ(accessed("/link"), 1000);
    EXPECT_EQ(linux_mount(0, AT("/"), 0, MS_REMOUNT | MS_RELATIME, 0), 0);
    EXPECT_EQ(linux_chmod(AT("/file"), 0644), 0);
    int fd = (int)linux_openat(AT_FDCWD, AT("/file"), O_RDONLY | O_NOATIME, 0);
    EXPECT_EQ(linux_read(fd, guest_room(&f, 8), 8), 4);
    EXPECT_EQ(linux_close(fd), 0);
    EXPECT_EQ(accessed("/file"), 1000);
    EXPECT_EQ(file_fixture_read(&f, "/link", text, sizeof(text)), 4);
    EXPECT(accessed("/file") != 1000);
    EXPECT(accessed("/link") != 1000);
    struct linux_timespec old[2] = { { 1000, 0 }, { 1000, 0 } };
    uaddr_t times = guest_bytes(&f, old, sizeof(old));
    EXPECT_EQ(linux_utimensat(AT_FDCWD, AT("/d"), times, 0), 0);
    EXPECT_EQ(linux_mount(0, AT("/"), 0, MS_REMOUNT | MS_NODIRATIME, 0), 0);
    for (int turn = 0; turn < 2; turn++) {
        fd = (int)linux_openat(AT_FDCWD, AT("/d"), O_RDONLY | O_DIRECTORY, 0);
        EXPECT(linux_getdents64(fd, guest_bytes(&f, entries, sizeof(entries)), 512) > 0);
        EXPECT_EQ(linux_close(fd), 0);
        EXPECT_EQ(accessed("/d") == 1000, turn == 0);
        EXPECT_EQ(linux_mount(0, AT("/"), 0, MS_REMOUNT, 0), 0);
    }
    file_fixture_end(&f);
}

TEST(what_is_mounted_on_a_read_only_root_can_be_written)
{
    char text[4096];
    struct linux_statfs statfs;
    begin();
    uaddr_t at = guest_room(&f, sizeof(statfs));
    EXPECT_EQ(file_fixture_write(&f, "/dev/shm/x", "data"), 4);
    EXPECT_EQ(linux_unlink(AT("/dev/shm/x")), 0);
    EXPECT_EQ(opens("/dev/null", O_RDWR | O_TRUNC), 0);
    EXPECT_EQ(linux_mkdir(AT("/dev/new"), 0755), 0);
    EXPECT_EQ(file_fixture_write(&f, "/proc/self/comm", "x"), 1);
    EXPECT(file_fixture_read(&f, "/proc/mounts", text, sizeof(text)) > 0);
    EXPECT(strncmp(text, "overlay / overlay ro,relatime", 29) == 0);
    EXPECT_EQ(linux_statfs(AT("/file"), at), 0);
    EXPECT_EQ(copy_in(&statfs, at, sizeof(statfs)), 0);
    EXPECT((statfs.flags & MS_RDONLY) != 0);
    EXPECT_EQ(linux_statfs(AT("/dev"), at), 0);
    EXPECT_EQ(copy_in(&statfs, at, sizeof(statfs)), 0);
    EXPECT((statfs.flags & MS_RDONLY) == 0);
    /* Who may mount may also put something over it. */
    EXPECT_EQ(linux_mount(AT("none"), AT("/tmp"), AT("tmpfs"), 0, 0), 0);
    EXPECT_EQ(file_fixture_write(&f, "/tmp/x", "data"), 4);
    EXPECT_EQ(linux_umount2(AT("/tmp"), 0), 0);
    file_fixture_end(&f);
}

TEST(a_read_only_root_stays_so_without_the_right_to_mount)
{
    begin();
    struct cred *cred = f.task->cred;
    cred->effective &= ~CAP_BIT(CAP_SYS_ADMIN);
    EXPECT_EQ(linux_mount(0, AT("/"), 0, MS_REMOUNT, 0), -EPERM);
    EXPECT_EQ(linux_mount(0, AT("/"), 0, MS_REMOUNT | MS_BIND, 0), -EPERM);
    EXPECT_EQ(linux_mount(AT("none"), AT("/tmp"), AT("tmpfs"), 0, 0), -EPERM);
    EXPECT_EQ(opens("/file", O_WRONLY), -EROFS);
    cred->effective |= CAP_BIT(CAP_SYS_ADMIN);
    file_fixture_end(&f);
}

TEST(a_mount_with_open_files_does_not_become_read_only)
{
    begin();
    EXPECT_EQ(linux_mount(0, AT("/"), 0, MS_REMOUNT, 0), 0);
    int fd = (int)linux_openat(AT_FDCWD, AT("/file"), O_RDWR, 0);
    int reader = (int)linux_openat(AT_FDCWD, AT("/open"), O_RDONLY, 0);
    EXPECT_EQ(mounts_keep_root(), -EBUSY);
    EXPECT_EQ(linux_mount(0, AT("/"), 0, MS_REMOUNT | MS_RDONLY, 0), -EBUSY);
    EXPECT_EQ(linux_write(fd, AT("more"), 4), 4);
    EXPECT_EQ(opens("/file", O_WRONLY), 0);
    /* One that fails to open counts for nothing. */
    struct path path;
    struct file *program;
    EXPECT_EQ(linux_chmod(AT("/open"), 0755), 0);
    EXPECT_EQ(path_find(AT_FDCWD, "/open", 0, &path), 0);
    EXPECT_EQ(file_open_program(&path, &program), 0);
    EXPECT_EQ(opens("/open", O_WRONLY), -ETXTBSY);
    file_put(program);
    path_put(&path);
    EXPECT_EQ(linux_close(fd), 0);
    EXPECT_EQ(linux_mount(0, AT("/"), 0, MS_REMOUNT | MS_RDONLY, 0), 0);
    EXPECT_EQ(linux_mount(0, AT("/"), 0, MS_REMOUNT | MS_RDONLY | MS_NOSUID, 0), 0);
    EXPECT_EQ(opens("/file", O_WRONLY), -EROFS);
    EXPECT_EQ(linux_mount(0, AT("/"), 0, MS_REMOUNT, 0), 0);
    EXPECT_EQ(opens("/file", O_WRONLY), 0);
    EXPECT_EQ(linux_close(reader), 0);
    file_fixture_end(&f);
}
