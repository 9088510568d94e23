/* Bytes to and from the guest that called, and lists of its buffers.
 *
 * Everything is copied once into our memory and then checked. 0 or -EFAULT.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t uaddr_t;

int copy_in(void *to, uaddr_t from, size_t size_bytes);
int copy_out(uaddr_t to, const void *from, size_t size_bytes);
int clear_out(uaddr_t to, size_t size_bytes);
/* A structure of which the caller knows `given` bytes and we `known`: what he does not know is
 * zero, and what we do not know must be: -E2BIG, also for more than a page. */
int copy_in_struct(void *to, size_t known, uaddr_t from, uint64_t given);
/* A text with its end: its length, -EFAULT, or -ENAMETOOLONG if it does not end within the size. */
int64_t copy_in_text(char *to, uaddr_t from, size_t size_bytes);

#define IOV_MAX      1024
#define IO_BYTES_MAX ((uint64_t)0x7ffff000) /* as Linux: a call moves no more */

struct io_part {
    uint64_t base; /* in the guest, or in our memory if `own` */
    uint64_t size_bytes;
};

/* What a read fills or a write takes: parts in order, and how far we are. */
struct io {
    struct io_part *parts;
    unsigned count;
    bool own;        /* our memory, not a guest's */
    bool unseen;     /* what is read stays as if it had not been: no time of access */
    uint64_t offset; /* in the first part */
    uint64_t left;   /* bytes, all parts together */
    struct io_part one;
    struct io_part few[8];
    struct io_part *many; /* heap, or NULL */
};

/* One buffer of the guest's; -EFAULT if it is not below GUEST_END. Longer ones are cut to
 * IO_BYTES_MAX. */
int io_user(struct io *io, uaddr_t base, uint64_t size_bytes);
/* struct iovec[count]: -EINVAL, -EFAULT, -ENOMEM. io_end afterwards. */
int io_vector(struct io *io, uaddr_t vector, uint64_t count);
void io_own(struct io *io, void *base, uint64_t size_bytes);
void io_end(struct io *io);
/* Bytes moved: fewer than asked at the end of the parts; -EFAULT if the first could not be. */
int64_t io_to(struct io *io, const void *from, uint64_t size_bytes);
/* All of it, for which there is room: or -EFAULT, and the next goes where this should have. */
int io_to_whole(struct io *io, const void *from, uint64_t size_bytes);
int64_t io_from(struct io *io, void *to, uint64_t size_bytes);
int64_t io_zero(struct io *io, uint64_t size_bytes);
/* All parts; who has a signal to take gets whole pages of fewer. */
int64_t io_random(struct io *io);
