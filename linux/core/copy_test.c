#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/copy.h>
#include <linux/heap.h>
#include <linux/host.h>
#include <string.h>

#define AT ((uint64_t)0x10000000)

struct fixture {
    struct guest_space *space;
    struct memory *memory;
};

/* Two pages that may be written, one that may be read, nothing behind. */
static void fixture_init(struct fixture *f)
{
    EXPECT_EQ(memory_allocate(3 * MACHINE_PAGE, &f->memory), 0);
    EXPECT_EQ(guest_space_create(&f->space), 0);
    EXPECT_EQ(
        guest_space_map(f->space, AT, f->memory, 0, 2 * MACHINE_PAGE, MACHINE_READ | MACHINE_WRITE),
        0);
    EXPECT_EQ(guest_space_map(f->space, AT + 2 * MACHINE_PAGE, f->memory, 2 * MACHINE_PAGE,
                              MACHINE_PAGE, MACHINE_READ),
              0);
    EXPECT_EQ(vcpu_attach(vcpu_self(), f->space), 0);
}

static void fixture_end(struct fixture *f)
{
    EXPECT_EQ(vcpu_attach(vcpu_self(), NULL), 0);
    guest_space_destroy(f->space);
    memory_put(f->memory);
    EXPECT_EQ(host_counts().memories, 0);
    EXPECT_EQ(host_counts().mappings, 0);
    EXPECT_EQ(heap_counts().blocks, 0);
}

TEST(bytes_go_in_and_out_where_the_guest_may)
{
    struct fixture f;
    char buffer[16] = "unchanged";
    fixture_init(&f);
    EXPECT_EQ(copy_out(AT + MACHINE_PAGE - 3, "across", 7), 0);
    EXPECT_EQ(copy_in(buffer, AT + MACHINE_PAGE - 3, 7), 0);
    EXPECT_STR(buffer, "across");
    EXPECT_EQ(copy_out(AT + 2 * MACHINE_PAGE, "x", 1), -EFAULT);
    EXPECT_EQ(copy_in(buffer, AT + 3 * MACHINE_PAGE - 1, 2), -EFAULT);
    EXPECT_EQ(copy_in(buffer, GUEST_END - 1, 2), -EFAULT);
    EXPECT_EQ(copy_in(buffer, UINT64_MAX, 2), -EFAULT);
    EXPECT_EQ(clear_out(AT, MACHINE_PAGE + 100), 0);
    EXPECT_EQ(copy_in(buffer, AT + MACHINE_PAGE - 3, 7), 0);
    EXPECT_STR(buffer, "");
    EXPECT_EQ(clear_out(AT + MACHINE_PAGE, MACHINE_PAGE + 1), -EFAULT);
    fixture_end(&f);
}

TEST(a_text_ends_before_what_cannot_be_read)
{
    struct fixture f;
    char text[5000];
    fixture_init(&f);
    uint64_t end = AT + 2 * MACHINE_PAGE;
    EXPECT_EQ(copy_out(end - 4, "name", 4), 0);
    EXPECT_EQ(copy_in_text(text, end - 4, sizeof(text)), 4);
    EXPECT_STR(text, "name");
    EXPECT_EQ(copy_in_text(text, end - 4, 4), -ENAMETOOLONG);
    EXPECT_EQ(guest_space_unmap(f.space, end, MACHINE_PAGE), 0);
    EXPECT_EQ(copy_in_text(text, end - 4, sizeof(text)), -EFAULT);
    EXPECT_EQ(copy_out(end - 1, "", 1), 0);
    EXPECT_EQ(copy_in_text(text, end - 4, sizeof(text)), 3);
    fixture_end(&f);
}

TEST(parts_are_filled_in_order_up_to_the_first_bad_one)
{
    struct fixture f;
    char buffer[8] = { 0 };
    const uint64_t vector[] = {
        AT + 4000, 2, AT + 4100, 0, AT + 4200, 3, AT + 2 * MACHINE_PAGE, 4
    };
    struct io io;
    fixture_init(&f);
    EXPECT_EQ(copy_out(AT, vector, sizeof(vector)), 0);
    EXPECT_EQ(io_vector(&io, AT, 4), 0);
    EXPECT_EQ(io.left, 9);
    EXPECT_EQ(io_to(&io, "abcdefghi", 4), 4);
    EXPECT_EQ(io_to(&io, "efghi", 5), 1);
    EXPECT_EQ(io_to(&io, "fghi", 4), -EFAULT);
    io_end(&io);
    EXPECT_EQ(copy_in(buffer, AT + 4000, 2), 0);
    EXPECT_EQ(copy_in(buffer + 2, AT + 4200, 3), 0);
    EXPECT_STR(buffer, "abcde");

    EXPECT_EQ(io_vector(&io, AT, 4), 0);
    EXPECT_EQ(io_zero(&io, 9), 5);
    io_end(&io);
    EXPECT_EQ(copy_in(buffer, AT + 4200, 3), 0);
    EXPECT_EQ(buffer[2], 0);
    fixture_end(&f);
}

TEST(vectors_are_checked_before_anything_moves)
{
    struct fixture f;
    struct io io;
    fixture_init(&f);
    const uint64_t too_long[] = { AT, (uint64_t)INT64_MAX + 1 };
    const uint64_t outside[] = { GUEST_END - 1, 2 };
    const uint64_t long_ones[] = { 0, IO_BYTES_MAX, AT, 1000 };
    EXPECT_EQ(copy_out(AT, too_long, sizeof(too_long)), 0);
    EXPECT_EQ(io_vector(&io, AT, 1), -EINVAL);
    EXPECT_EQ(copy_out(AT, outside, sizeof(outside)), 0);
    EXPECT_EQ(io_vector(&io, AT, 1), -EFAULT);
    EXPECT_EQ(copy_out(AT, long_ones, sizeof(long_ones)), 0);
    EXPECT_EQ(io_vector(&io, AT, 2), 0);
    EXPECT_EQ(io.left, IO_BYTES_MAX);
    io_end(&io);
    EXPECT_EQ(io_vector(&io, AT, IOV_MAX + 1), -EINVAL);
    EXPECT_EQ(io_vector(&io, AT + 3 * MACHINE_PAGE, 1), -EFAULT);
    heap_fail_after(1);
    EXPECT_EQ(io_vector(&io, AT, 9), -ENOMEM);
    heap_fail_after(0);
    EXPECT_EQ(io_user(&io, GUEST_END - 1, 2), -EFAULT);
    EXPECT_EQ(io_user(&io, AT, 1ull << 40), 0);
    EXPECT_EQ(io.left, IO_BYTES_MAX);
    EXPECT_EQ(io_user(&io, AT, UINT64_MAX), -EFAULT);
    fixture_end(&f);
}

TEST(own_memory_needs_no_guest)
{
    struct io io;
    char buffer[4] = "abc";
    char got[4] = { 0 };
    io_own(&io, buffer, 3);
    EXPECT_EQ(io_from(&io, got, 2), 2);
    EXPECT_EQ(io_from(&io, got + 2, 2), 1);
    EXPECT_STR(got, "abc");
    EXPECT_EQ(io_from(&io, got, 1), 0);
}

TEST(the_heap_counts_and_fails_on_demand)
{
    char *text = heap_copy_text("hello");
    EXPECT_STR(text, "hello");
    EXPECT_EQ(heap_counts().blocks, 1);
    heap_fail_after(1);
    EXPECT_EQ(heap_resize(text, 100), NULL);
    text = heap_resize(text, 100);
    EXPECT_STR(text, "hello");
    EXPECT_EQ(text[99], 0);
    heap_free(text);
    EXPECT_EQ(heap_alloc_array(SIZE_MAX / 2, 3), NULL);
    EXPECT_EQ(heap_counts().blocks, 0);
    EXPECT_EQ(heap_counts().bytes, 0);
}
