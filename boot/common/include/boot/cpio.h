/* cpio archives of the "newc" kind (cpio(5)): 110 bytes of hexadecimal header, name, data; each
 * padded to 4 bytes; the last is called TRAILER!!!.
 */
#pragma once

#include <base/status.h>
#include <stdbool.h>
#include <stddef.h>

struct cpio_file {
    const void *data;
    size_t size_bytes;
};

bool cpio_is_archive(const void *archive, size_t size_bytes);

/* Find a regular file by its path; leading "/" and "./" of names do not count. The last one of a
 * name wins. ERR_NOT_FOUND, ERR_FORMAT or ERR_TRUNCATED.
 */
enum status cpio_find(const void *archive, size_t size_bytes, const char *path,
                      struct cpio_file *file_out);
