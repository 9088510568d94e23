/* Files as x86_64 has them: struct stat, and O_ flags as they are (linux/abi/fcntl.h). */
#include <base/compiler.h>
#include <linux/abi/stat.h>
#include <linux/poll.h>

struct linux_stat {
    uint64_t device, inode, links;
    uint32_t mode, uid, gid, padding;
    uint64_t rdev;
    int64_t size_bytes, block_bytes, blocks;
    int64_t accessed, accessed_ns, modified, modified_ns, changed, changed_ns;
    int64_t unused[3];
};
static_assert(sizeof(struct linux_stat) == 144, "struct stat");

int stat_out(uaddr_t to, const struct stat_view *view)
{
    const struct node_attributes *from = &view->attributes;
    struct linux_stat out = {
        .device = view->device,
        .inode = view->inode,
        .links = from->links,
        .mode = from->mode,
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

uint32_t open_flags_from_guest(uint32_t flags)
{
    return flags;
}

uint32_t open_flags_to_guest(uint32_t flags)
{
    return flags;
}

const struct epoll_layout epoll_layout = { .data = 4, .size_bytes = 12 };
