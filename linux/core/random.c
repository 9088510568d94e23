/* getrandom(2). The generator is seeded before the first program runs, so nothing ever waits. */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/copy.h>
#include <linux/machine.h>
#include <linux/signals.h>
#include <linux/task.h>

enum { GRND_NONBLOCK = 1, GRND_RANDOM = 2, GRND_INSECURE = 4, PIECE_BYTES = 256 };

int64_t io_random(struct io *io)
{
    uint8_t piece[PIECE_BYTES];
    uint64_t done = 0;
    while (io->left > 0 && (done == 0 || done % MACHINE_PAGE != 0 || !signal_wanted(task_self()))) {
        uint64_t part = MIN(io->left, (uint64_t)PIECE_BYTES);
        machine_random(piece, part);
        int64_t moved = io_to(io, piece, part);
        if (moved < 0)
            return done != 0 ? (int64_t)done : moved;
        done += (uint64_t)moved;
    }
    return (int64_t)done;
}

int64_t linux_getrandom(uaddr_t buffer, uint64_t size_bytes, uint32_t flags)
{
    struct io io;
    if ((flags & ~(uint32_t)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) != 0 ||
        (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
        return -EINVAL;
    int error = io_user(&io, buffer, size_bytes);
    return error != 0 ? error : io_random(&io);
}
