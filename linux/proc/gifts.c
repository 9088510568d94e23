/* What a program's file gives to who runs it. execve(2), capabilities(7) "File capabilities". */
#include <base/bytes.h>
#include <linux/abi/errno.h>
#include <linux/file.h>
#include <linux/task.h>

/* struct vfs_cap_data: a word of version and flag, then permitted and inheritable, low halves
 * first; from version 2 on the high halves as well; from 3 on the root of the user namespace that
 * they are for. */
#define VERSION_MASK   0xff000000u
#define VERSION(n)     ((uint32_t)(n) << 24)
#define FLAG_EFFECTIVE 1u

enum { BYTES_1 = 12, BYTES_2 = 20, BYTES_3 = 24, ROOT_AT = 20 };

static uint64_t whole_set(const uint8_t *low, bool has_high)
{
    uint64_t high = has_high ? load_le32(low + 8) : 0;
    return (load_le32(low) | high << 32) & CAP_ALL;
}

int gifts_take_capabilities(struct program_gifts *gifts, const uint8_t *value, size_t size_bytes)
{
    if (size_bytes < BYTES_1)
        return -EINVAL;
    uint32_t head = load_le32(value);
    uint32_t version = head & VERSION_MASK;
    bool fits = (version == VERSION(1) && size_bytes == BYTES_1) ||
                (version == VERSION(2) && size_bytes == BYTES_2) ||
                (version == VERSION(3) && size_bytes == BYTES_3);
    if (!fits)
        return -EINVAL;
    /* There is one user namespace, and its root is 0. */
    if (version == VERSION(3) && load_le32(value + ROOT_AT) != 0)
        return 0;
    gifts->has_capabilities = true;
    gifts->effective = (head & FLAG_EFFECTIVE) != 0;
    gifts->permitted = whole_set(value + 4, version != VERSION(1));
    gifts->inheritable = whole_set(value + 8, version != VERSION(1));
    return 0;
}

bool file_capabilities_settable(const uint8_t *value, size_t size_bytes)
{
    if (size_bytes != BYTES_2 && size_bytes != BYTES_3)
        return false;
    return (load_le32(value) & ~FLAG_EFFECTIVE) == VERSION(size_bytes == BYTES_2 ? 2 : 3);
}

int program_gifts_of(const struct file *file, struct program_gifts *gifts_out)
{
    struct node *node = file->node;
    struct node_attributes attributes;
    uint8_t value[BYTES_3];
    int error = node_attributes(node, &attributes);
    if (error != 0)
        return error;
    *gifts_out = (struct program_gifts){ 0 };
    if (!path_gives(&file->path))
        return 0;
    gifts_out->mode = attributes.mode;
    gifts_out->uid = attributes.uid;
    gifts_out->gid = attributes.gid;
    if (node->ops->get_xattr == NULL)
        return 0;
    int64_t size = node->ops->get_xattr(node, XATTR_CAPABILITY, value, sizeof(value));
    if (size == -ENODATA)
        return 0;
    return size < 0 ? (int)size : gifts_take_capabilities(gifts_out, value, (size_t)size);
}
