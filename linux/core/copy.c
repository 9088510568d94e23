#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/copy.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/mm.h>
#include <linux/task.h>

/* One vector entry as the guest has it. */
struct guest_iovec {
    uint64_t base, size_bytes;
};

enum { TEXT_PART = 64 };

static const unsigned char zeroes[MACHINE_PAGE];

static struct mm *mm_self(void)
{
    const struct task *task = ((const struct vcpu_head *)vcpu_self())->owner;
    return task == NULL ? NULL : task->mm;
}

/* What the kernel cannot bring, mm/ perhaps can: a page of a large file. `moved` of the bytes were
 * copied; is it worth another try? */
static bool bring(uaddr_t at, size_t moved, bool write)
{
    return mm_resolve(mm_self(), at + moved, write);
}

int copy_in(void *to, uaddr_t from, size_t size_bytes)
{
    size_t missing = guest_copy_in(to, from, size_bytes);
    while (UNLIKELY(missing != 0)) {
        size_t before = missing;
        size_t done = size_bytes - missing;
        if (!bring(from, done, false))
            return -EFAULT;
        missing = guest_copy_in((char *)to + done, from + done, missing);
        if (missing == before)
            return -EFAULT;
    }
    return 0;
}

int copy_out(uaddr_t to, const void *from, size_t size_bytes)
{
    size_t missing = guest_copy_out(to, from, size_bytes);
    while (UNLIKELY(missing != 0)) {
        size_t before = missing;
        size_t done = size_bytes - missing;
        if (!bring(to, done, true))
            return -EFAULT;
        missing = guest_copy_out(to + done, (const char *)from + done, missing);
        if (missing == before)
            return -EFAULT;
    }
    return 0;
}

int clear_out(uaddr_t to, size_t size_bytes)
{
    while (size_bytes > 0) {
        size_t part = MIN(size_bytes, sizeof(zeroes));
        if (copy_out(to, zeroes, part) != 0)
            return -EFAULT;
        to += part;
        size_bytes -= part;
    }
    return 0;
}

int copy_in_struct(void *to, size_t known, uaddr_t from, uint64_t given)
{
    if (given > MACHINE_PAGE)
        return -E2BIG;
    for (uint64_t at = known; at < given; at++) {
        uint8_t byte;
        int error = copy_in(&byte, from + at, 1);
        if (error != 0 || byte != 0)
            return error != 0 ? error : -E2BIG;
    }
    memset(to, 0, known);
    return copy_in(to, from, MIN((size_t)given, known));
}

/* What lies behind the end of the text may not be readable, so no copy reaches from one page into
 * the next before the first is searched. Most texts are short, so little is copied at a time. */
int64_t copy_in_text(char *to, uaddr_t from, size_t size_bytes)
{
    size_t done = 0;
    while (done < size_bytes) {
        size_t in_page = MACHINE_PAGE - (size_t)((from + done) % MACHINE_PAGE);
        size_t part = MIN(MIN(size_bytes - done, in_page), (size_t)TEXT_PART);
        size_t missing = guest_copy_in(to + done, from + done, part);
        if (missing != 0 && bring(from + done, part - missing, false))
            missing = guest_copy_in(to + done, from + done, part);
        size_t length = strnlen(to + done, part - missing);
        if (length < part - missing)
            return (int64_t)(done + length);
        if (missing != 0)
            return -EFAULT;
        done += part;
    }
    return -ENAMETOOLONG;
}

static bool is_guests(uint64_t base, uint64_t size_bytes)
{
    return base <= GUEST_END && size_bytes <= GUEST_END - base;
}

static void io_one(struct io *io, uint64_t base, uint64_t size_bytes, bool own)
{
    io->one = (struct io_part){ .base = base, .size_bytes = size_bytes };
    io->parts = &io->one;
    io->count = 1;
    io->own = own;
    io->unseen = false;
    io->offset = 0;
    io->left = size_bytes;
    io->many = NULL;
}

/* Parts are copied under locks, where nothing can be brought any more: so what only mm/ can bring
 * is brought now. Few address spaces have such. */
static void prepare(uint64_t base, uint64_t size_bytes)
{
    struct mm *mm = mm_self();
    if (UNLIKELY(mm != NULL && __atomic_load_n(&mm->lazy, __ATOMIC_RELAXED)))
        mm_prepare(mm, base, size_bytes);
}

int io_user(struct io *io, uaddr_t base, uint64_t size_bytes)
{
    if (!is_guests(base, size_bytes)) {
        io_one(io, 0, 0, false);
        return -EFAULT;
    }
    size_bytes = MIN(size_bytes, IO_BYTES_MAX);
    io_one(io, base, size_bytes, false);
    prepare(base, size_bytes);
    return 0;
}

void io_own(struct io *io, void *base, uint64_t size_bytes)
{
    io_one(io, (uint64_t)(uintptr_t)base, size_bytes, true);
}

/* Check each part; together they move no more than IO_BYTES_MAX. */
static int check_parts(struct io *io)
{
    static_assert(sizeof(struct io_part) == sizeof(struct guest_iovec), "copied as they are");
    io->left = 0;
    for (unsigned i = 0; i < io->count; i++) {
        struct io_part *part = &io->parts[i];
        if (part->size_bytes > INT64_MAX)
            return -EINVAL;
        part->size_bytes = MIN(part->size_bytes, IO_BYTES_MAX - io->left);
        if (!is_guests(part->base, part->size_bytes))
            return -EFAULT;
        io->left += part->size_bytes;
        prepare(part->base, part->size_bytes);
    }
    return 0;
}

int io_vector(struct io *io, uaddr_t vector, uint64_t count)
{
    io_one(io, 0, 0, false);
    if (count > IOV_MAX)
        return -EINVAL;
    if (count > ARRAY_LEN(io->few)) {
        io->many = heap_alloc_array(count, sizeof(struct io_part));
        if (io->many == NULL)
            return -ENOMEM;
    }
    io->parts = io->many != NULL ? io->many : io->few;
    io->count = (unsigned)count;
    int error = copy_in(io->parts, vector, count * sizeof(struct io_part));
    if (error == 0)
        error = check_parts(io);
    if (error != 0) {
        io_end(io);
        io_one(io, 0, 0, false);
    }
    return error;
}

void io_end(struct io *io)
{
    heap_free(io->many);
    io->many = NULL;
}

/* The next piece in a row, at most `size_bytes`; 0 at the end. */
static uint64_t io_piece(struct io *io, uint64_t size_bytes, uint64_t *at_out)
{
    while (io->count > 0 && io->offset == io->parts->size_bytes) {
        io->parts++;
        io->count--;
        io->offset = 0;
    }
    if (io->count == 0)
        return 0;
    *at_out = io->parts->base + io->offset;
    return MIN(size_bytes, io->parts->size_bytes - io->offset);
}

static void io_advance(struct io *io, uint64_t size_bytes)
{
    io->offset += size_bytes;
    io->left -= size_bytes;
}

/* Copies one piece; what was not copied. */
typedef size_t io_copy(const struct io *io, uint64_t at, void *memory, uint64_t size_bytes);

static int64_t io_move(struct io *io, io_copy *copy, void *memory, uint64_t size_bytes)
{
    uint64_t done = 0;
    while (done < size_bytes) {
        uint64_t at;
        uint64_t part = io_piece(io, size_bytes - done, &at);
        if (part == 0)
            break;
        uint64_t missing = copy(io, at, (char *)memory + done, part);
        io_advance(io, part - missing);
        done += part - missing;
        if (missing != 0)
            return done == 0 ? -EFAULT : (int64_t)done;
    }
    return (int64_t)done;
}

static size_t copy_to_part(const struct io *io, uint64_t at, void *memory, uint64_t size_bytes)
{
    if (!io->own)
        return guest_copy_out(at, memory, size_bytes);
    memcpy((void *)(uintptr_t)at, memory, size_bytes);
    return 0;
}

static size_t copy_from_part(const struct io *io, uint64_t at, void *memory, uint64_t size_bytes)
{
    if (!io->own)
        return guest_copy_in(memory, at, size_bytes);
    memcpy(memory, (const void *)(uintptr_t)at, size_bytes);
    return 0;
}

int64_t io_to(struct io *io, const void *from, uint64_t size_bytes)
{
    return io_move(io, copy_to_part, (void *)(uintptr_t)from, size_bytes);
}

int io_to_whole(struct io *io, const void *from, uint64_t size_bytes)
{
    struct io_part *parts = io->parts;
    unsigned count = io->count;
    uint64_t offset = io->offset;
    uint64_t left = io->left;
    if (io_to(io, from, size_bytes) == (int64_t)size_bytes)
        return 0;
    io->parts = parts;
    io->count = count;
    io->offset = offset;
    io->left = left;
    return -EFAULT;
}

int64_t io_from(struct io *io, void *to, uint64_t size_bytes)
{
    return io_move(io, copy_from_part, to, size_bytes);
}

int64_t io_zero(struct io *io, uint64_t size_bytes)
{
    uint64_t done = 0;
    while (done < size_bytes) {
        uint64_t part = MIN(size_bytes - done, (uint64_t)sizeof(zeroes));
        int64_t moved = io_to(io, zeroes, part);
        if (moved < 0 && done == 0)
            return moved;
        if (moved > 0)
            done += (uint64_t)moved;
        if (moved < (int64_t)part)
            break;
    }
    return (int64_t)done;
}
