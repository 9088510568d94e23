/* Files as a Linux program names what it does with them: open(2), fcntl(2), lseek(2), flock(2),
 * openat2(2), inode(7).
 *
 * The O_ bits are those of x86_64. Where an architecture has others, open_flags_from_guest and
 * open_flags_to_guest (linux/arch/ARCH/file.c) exchange them at the edge, so that nothing inside
 * knows of it.
 */
#pragma once

#include <stdint.h>

#define O_ACCMODE     00000003u
#define O_RDONLY      00000000u
#define O_WRONLY      00000001u
#define O_RDWR        00000002u
#define O_CREAT       00000100u
#define O_EXCL        00000200u
#define O_NOCTTY      00000400u
#define O_TRUNC       00001000u
#define O_APPEND      00002000u
#define O_NONBLOCK    00004000u
#define O_DSYNC       00010000u
#define O_ASYNC       00020000u
#define O_DIRECT      00040000u
#define O_LARGEFILE   00100000u
#define O_DIRECTORY   00200000u
#define O_NOFOLLOW    00400000u
#define O_NOATIME     01000000u
#define O_CLOEXEC     02000000u
#define O_SYNC        04010000u
#define O_PATH        010000000u
#define O_TMPFILE     020200000u
#define O_TMPFILE_BIT 020000000u
#define O_KNOWN       037777703u

uint32_t open_flags_from_guest(uint32_t flags);
uint32_t open_flags_to_guest(uint32_t flags);

#define S_IFMT        0170000u
#define S_IFSOCK      0140000u
#define S_IFLNK       0120000u
#define S_IFREG       0100000u
#define S_IFBLK       0060000u
#define S_IFDIR       0040000u
#define S_IFCHR       0020000u
#define S_IFIFO       0010000u
#define S_ISUID       0004000u
#define S_ISGID       0002000u
#define S_ISVTX       0001000u
#define S_IXGRP       0000010u
#define S_PERMISSIONS 0007777u

/* d_type of a directory's entry. */
#define DT_OF(mode) (((mode)&S_IFMT) >> 12)

enum { AT_FDCWD = -100 };
#define AT_SYMLINK_NOFOLLOW 0x100u
#define AT_EACCESS          0x200u
#define AT_REMOVEDIR        0x200u
#define AT_SYMLINK_FOLLOW   0x400u
#define AT_NO_AUTOMOUNT     0x800u
#define AT_EMPTY_PATH       0x1000u
#define AT_STATX_SYNC       0x6000u

enum { SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE };

enum {
    F_DUPFD = 0,
    F_GETFD = 1,
    F_SETFD = 2,
    F_GETFL = 3,
    F_SETFL = 4,
    F_GETLK = 5,
    F_SETLK = 6,
    F_SETLKW = 7,
    F_SETOWN = 8,
    F_GETOWN = 9,
    F_SETSIG = 10,
    F_GETSIG = 11,
    F_SETOWN_EX = 15,
    F_GETOWN_EX = 16,
    F_OFD_GETLK = 36,
    F_OFD_SETLK = 37,
    F_OFD_SETLKW = 38,
    F_SETLEASE = 1024,
    F_GETLEASE = 1025,
    F_NOTIFY = 1026,
    F_DUPFD_CLOEXEC = 1030,
    F_SETPIPE_SZ = 1031,
    F_GETPIPE_SZ = 1032,
    F_ADD_SEALS = 1033,
    F_GET_SEALS = 1034,
};
enum { F_RDLCK, F_WRLCK, F_UNLCK };
enum { F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP };
#define LOCK_SH 1u
#define LOCK_EX 2u
#define LOCK_NB 4u
#define LOCK_UN 8u

#define F_SEAL_SEAL         0x01u
#define F_SEAL_SHRINK       0x02u
#define F_SEAL_GROW         0x04u
#define F_SEAL_WRITE        0x08u
#define F_SEAL_FUTURE_WRITE 0x10u

struct linux_flock {
    int16_t type, whence;
    int32_t padding;
    int64_t start, length;
    int32_t pid, padding_end;
};

struct linux_open_how {
    uint64_t flags, mode, resolve;
};
#define RESOLVE_NO_XDEV       0x01u
#define RESOLVE_NO_MAGICLINKS 0x02u
#define RESOLVE_NO_SYMLINKS   0x04u
#define RESOLVE_BENEATH       0x08u
#define RESOLVE_IN_ROOT       0x10u
#define RESOLVE_CACHED        0x20u

#define RENAME_NOREPLACE 1u
#define RENAME_EXCHANGE  2u
#define RENAME_WHITEOUT  4u

#define FALLOC_FL_KEEP_SIZE  0x01u
#define FALLOC_FL_PUNCH_HOLE 0x02u
#define FALLOC_FL_ZERO_RANGE 0x10u

#define XATTR_CREATE  1u
#define XATTR_REPLACE 2u
enum { XATTR_NAME_MAX = 255, XATTR_SIZE_MAX = 65536, XATTR_LIST_MAX = 65536 };
#define XATTR_CAPABILITY "security.capability"

#define CLOSE_RANGE_UNSHARE 2u
#define CLOSE_RANGE_CLOEXEC 4u

#define RWF_HIPRI  0x01u
#define RWF_DSYNC  0x02u
#define RWF_SYNC   0x04u
#define RWF_NOWAIT 0x08u
#define RWF_APPEND 0x10u

#define MS_RDONLY       0x0001u
#define MS_NOSUID       0x0002u
#define MS_NODEV        0x0004u
#define MS_NOEXEC       0x0008u
#define MS_SYNCHRONOUS  0x0010u
#define MS_REMOUNT      0x0020u
#define MS_NOATIME      0x0400u
#define MS_NODIRATIME   0x0800u
#define MS_BIND         0x1000u
#define MS_MOVE         0x2000u
#define MS_REC          0x4000u
#define MS_SILENT       0x8000u
#define MS_UNBINDABLE   0x20000u
#define MS_PRIVATE      0x40000u
#define MS_SLAVE        0x80000u
#define MS_SHARED       0x100000u
#define MS_RELATIME     0x200000u
#define MS_STRICTATIME  0x1000000u
#define MNT_FORCE       1u
#define MNT_DETACH      2u
#define MNT_EXPIRE      4u
#define UMOUNT_NOFOLLOW 8u

enum { NAME_MAX = 255, PATH_MAX = 4096, LINK_MAX = 65000, SYMLINKS_MAX = 40 };

/* statfs f_type */
#define MAGIC_TMPFS     0x01021994u
#define MAGIC_OVERLAY   0x794c7630u
#define MAGIC_PROC      0x00009fa0u
#define MAGIC_SYSFS     0x62656572u
#define MAGIC_DEVPTS    0x00001cd1u
#define MAGIC_CGROUP2   0x63677270u
#define MAGIC_ANONYMOUS 0x09041934u
#define MAGIC_PIPES     0x50495045u
#define MAGIC_SOCKETS   0x534f434bu

/* Device numbers as the system calls have them. */
static inline uint64_t device_number(uint32_t major, uint32_t minor)
{
    return (minor & 0xffu) | (uint64_t)(major & 0xfffu) << 8 | (uint64_t)(minor & ~0xffu) << 12 |
           (uint64_t)(major & ~0xfffu) << 32;
}

static inline uint32_t device_major(uint64_t device)
{
    return (uint32_t)((device >> 8 & 0xfff) | (device >> 32 & ~0xfffull));
}

static inline uint32_t device_minor(uint64_t device)
{
    return (uint32_t)((device & 0xff) | (device >> 12 & 0xffffff00));
}
