/* Files as aarch64 has them: struct stat, and four O_ flags at other places. */
#include <base/compiler.h>
#include <linux/abi/stat.h>
#include <linux/poll.h>

struct linux_stat {
    uint64_t device, inode;
    uint32_t mode, links, uid, gid;
    uint64_t rdev, padding;
    int64_t size_bytes;
    int32_t block_bytes, padding_2;
    int64_t blocks;
    int64_t accessed, accessed_ns, modified, modified_ns, changed, changed_ns;
    int32_t unused[2];
};
static_assert(sizeof(struct linux_stat) == 128, "struct stat");

int stat_out(uaddr_t to, const struct stat_view *view)
{
    const struct node_attributes *from = &view->attributes;
    struct linux_stat out = {
        .device = view->device,
        .inode = view->inode,
        .mode = from->mode,
        .links = from->links,
        .uid = from->uid,
        .gid = from->gid,
        .rdev = from->device,
        .size_bytes = (int64_t)from->size_bytes,
        .block_bytes = 4096,
        .blocks = (int64_t)from->blocks_512,
        .accessed = from->accessed.seconds,
        .accessed_ns = from->accessed.nanoseconds,
        .modified = from->modified.seconds,
        .modified_ns = from->modified.nanoseconds,
        .changed = from->changed.seconds,
        .changed_ns = from->changed.nanoseconds,
    };
    return copy_out(to, &out, sizeof(out));
}

/* Here O_DIRECTORY, O_NOFOLLOW, O_DIRECT and O_LARGEFILE stand where x86_64 has O_DIRECT,
 * O_LARGEFILE, O_DIRECTORY and O_NOFOLLOW: two pairs that change places. */
static uint32_t exchange(uint32_t flags)
{
    const uint32_t low = O_DIRECT | O_LARGEFILE;
    const uint32_t high = O_DIRECTORY | O_NOFOLLOW;
    return (flags & ~(low | high)) | (flags & low) << 2 | (flags & high) >> 2;
}

uint32_t open_flags_from_guest(uint32_t flags)
{
    return exchange(flags);
}

uint32_t open_flags_to_guest(uint32_t flags)
{
    return exchange(flags);
}

const struct epoll_layout epoll_layout = { .data = 8, .size_bytes = 16 };
