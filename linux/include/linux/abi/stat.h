/* What a file is, in Linux's layouts: statx(2), statfs(2). struct stat differs between
 * architectures: stat_out (linux/arch/ARCH/file.c).
 */
#pragma once

#include <linux/copy.h>
#include <linux/node.h>

/* All that struct stat tells. */
struct stat_view {
    struct node_attributes attributes;
    uint64_t inode, device;
};
int stat_out(uaddr_t to, const struct stat_view *view);

#define STATX_BASIC           0x07ffu
#define STATX_BTIME           0x0800u
#define STATX_MNT_ID          0x1000u
#define STATX_RESERVED        0x80000000u
#define STATX_ATTR_MOUNT_ROOT 0x2000u

struct linux_statx_time {
    int64_t seconds;
    uint32_t nanoseconds;
    int32_t unused;
};

struct linux_statx {
    uint32_t mask, block_bytes;
    uint64_t attributes;
    uint32_t links, uid, gid;
    uint16_t mode, unused;
    uint64_t inode, size_bytes, blocks, attributes_mask;
    struct linux_statx_time accessed, created, changed, modified;
    uint32_t rdev_major, rdev_minor, device_major, device_minor;
    uint64_t mount_id;
    uint64_t spare[13];
};
static_assert(sizeof(struct linux_statx) == 256, "struct statx");

struct linux_statfs {
    uint64_t type, block_bytes, blocks, blocks_free, blocks_available, files, files_free, id;
    uint64_t name_max, fragment_bytes, flags, spare[4];
};
static_assert(sizeof(struct linux_statfs) == 120, "struct statfs");
