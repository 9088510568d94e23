/* Files without a name, in memory: memfd_create(2). */
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/file.h>
#include <linux/memfs.h>

#define MFD_CLOEXEC       1u
#define MFD_ALLOW_SEALING 2u
#define MFD_EXEC          16u

enum { MEMFD_NAME_MAX = 249 };

int64_t linux_memfd_create(uaddr_t name, uint32_t flags)
{
    static const char prefix[] = "memfd:";
    char text[sizeof(prefix) + MEMFD_NAME_MAX];
    struct file *file;
    if ((flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC)) != 0)
        return -EINVAL;
    memcpy(text, prefix, sizeof(prefix));
    int64_t length = copy_in_text(text + sizeof(prefix) - 1, name, MEMFD_NAME_MAX + 1);
    if (length < 0)
        return length == -ENAMETOOLONG ? -EINVAL : length;
    int error = memfs_create_file(text, 0777, &file);
    if (error != 0)
        return error;
    file->node->seals = (flags & MFD_ALLOW_SEALING) != 0 ? 0 : F_SEAL_SEAL;
    int fd = fd_install(file, 0, (flags & MFD_CLOEXEC) != 0 ? FD_CLOSE_ON_EXEC : 0);
    if (fd < 0)
        file_put(file);
    return fd;
}
