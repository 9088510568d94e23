#include "fixture.h"
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/ioctl.h>
#include <linux/heap.h>
#include <linux/pipe.h>
#include <linux/poll.h>
#include <linux/world.h>
#include <string.h>

static void pipe_of(struct file_fixture *f, uint32_t flags, int32_t fd[2])
{
    uaddr_t at = guest_room(f, 8);
    EXPECT_EQ(linux_pipe2(at, flags), 0);
    EXPECT_EQ(copy_in(fd, at, 8), 0);
}

static void close_both(const int32_t fd[2])
{
    EXPECT_EQ(linux_close(fd[0]), 0);
    EXPECT_EQ(linux_close(fd[1]), 0);
}

TEST(bytes_come_out_in_order_and_the_ring_is_bounded)
{
    struct file_fixture f;
    int32_t fd[2], count;
    uint8_t byte = 0;
    file_fixture_init(&f, NULL, 0);
    pipe_of(&f, O_NONBLOCK, fd);
    uaddr_t room = guest_room(&f, 100000);
    EXPECT_EQ(linux_read(fd[0], room, 10), -EAGAIN);
    EXPECT_EQ(linux_write(fd[1], room, 100000), PIPE_BYTES);
    EXPECT_EQ(linux_write(fd[1], room, 1), -EAGAIN);
    EXPECT_EQ(linux_ioctl(fd[0], FIONREAD, room), 0);
    EXPECT_EQ(copy_in(&count, room, 4), 0);
    EXPECT_EQ(count, PIPE_BYTES);
    /* What is atomic goes in whole or not at all. */
    EXPECT_EQ(linux_read(fd[0], room, 4095), 4095);
    EXPECT_EQ(linux_write(fd[1], room, 4096), -EAGAIN);
    EXPECT_EQ(linux_write(fd[1], room, 4095), 4095);
    EXPECT_EQ(linux_read(fd[0], room, 100000), PIPE_BYTES);
    for (unsigned i = 0; i < 300000; i++) {
        byte = (uint8_t)(i * 7);
        EXPECT_EQ(copy_out(room, &byte, 1), 0);
        if (linux_write(fd[1], room, 1) != 1)
            test_fail(__FILE__, __LINE__, "write");
        if (i % 3 != 2)
            continue;
        EXPECT_EQ(linux_read(fd[0], room, 3), 3);
        EXPECT_EQ(copy_in(&byte, room + 2, 1), 0);
        EXPECT_EQ(byte, (uint8_t)(i * 7));
    }
    EXPECT_EQ(linux_fcntl(fd[0], F_GETPIPE_SZ, 0), PIPE_BYTES);
    EXPECT_EQ(linux_write(fd[1], room, 5000), 5000);
    EXPECT_EQ(linux_fcntl(fd[0], F_SETPIPE_SZ, 4096), -EBUSY);
    EXPECT_EQ(linux_fcntl(fd[0], F_SETPIPE_SZ, 5000), 8192);
    EXPECT_EQ(linux_fcntl(fd[0], F_SETPIPE_SZ, 1 << 21), -EPERM);
    EXPECT_EQ(linux_read(fd[0], room, 100000), 5000);
    EXPECT_EQ(linux_write(fd[1], 8, 1), -EFAULT);
    EXPECT_EQ(linux_lseek(fd[0], 0, SEEK_SET), -ESPIPE);
    EXPECT_EQ(linux_read(fd[1], room, 1), -EBADF);
    EXPECT_EQ(linux_pipe2(room, O_DIRECT), -EINVAL);
    EXPECT_EQ(linux_pipe2(8, 0), -EFAULT);
    close_both(fd);
    EXPECT_EQ(fd_next(f.task, 0), -1);
    file_fixture_end(&f);
}

TEST(the_end_of_a_side_is_told)
{
    struct file_fixture f;
    int32_t fd[2];
    struct {
        int32_t fd;
        int16_t events, result;
    } polled[2];
    file_fixture_init(&f, NULL, 0);
    pipe_of(&f, 0, fd);
    uaddr_t room = guest_text(&f, "text");
    EXPECT_EQ(linux_write(fd[1], room, 4), 4);
    EXPECT_EQ(linux_close(fd[1]), 0);
    EXPECT_EQ(linux_read(fd[0], room, 10), 4);
    EXPECT_EQ(linux_read(fd[0], room, 10), 0);
    polled[0].fd = fd[0];
    polled[0].events = POLL_IN;
    EXPECT_EQ(copy_out(room, polled, 8), 0);
    EXPECT_EQ(linux_poll(room, 1, -1), 1);
    EXPECT_EQ(copy_in(polled, room, 8), 0);
    EXPECT_EQ(polled[0].result, POLL_HUP);
    EXPECT_EQ(linux_close(fd[0]), 0);
    pipe_of(&f, 0, fd);
    EXPECT_EQ(linux_close(fd[0]), 0);
    f.task->blocked = SIGNAL_BIT(SIGPIPE);
    EXPECT_EQ(linux_write(fd[1], room, 1), -EPIPE);
    EXPECT_EQ(signal_pending_of(f.task, SIGNAL_BIT(SIGPIPE)), SIGNAL_BIT(SIGPIPE));
    EXPECT_EQ(linux_close(fd[1]), 0);
    file_fixture_end(&f);
}

TEST(polls_look_time_out_and_refuse)
{
    struct file_fixture f;
    int32_t fd[2];
    struct {
        int32_t fd;
        int16_t events, result;
    } polled[3] = { { .events = POLL_IN }, { .events = POLL_OUT }, { 99, POLL_IN, 0 } };
    file_fixture_init(&f, NULL, 0);
    pipe_of(&f, 0, fd);
    polled[0].fd = fd[0];
    polled[1].fd = fd[1];
    uaddr_t at = guest_bytes(&f, polled, sizeof(polled));
    EXPECT_EQ(linux_poll(at, 1, 0), 0);
    EXPECT_EQ(linux_poll(at, 1, 20), 0);
    EXPECT_EQ(linux_poll(at, 3, -1), 2);
    EXPECT_EQ(copy_in(polled, at, sizeof(polled)), 0);
    EXPECT_EQ(polled[0].result, 0);
    EXPECT_EQ(polled[1].result, POLL_OUT);
    EXPECT_EQ(polled[2].result, POLL_NVAL);
    EXPECT_EQ(linux_poll(at, 100000, 0), -EINVAL);
    EXPECT_EQ(linux_poll(8, 1, 0), -EFAULT);
    /* select: bits 0 and 1, and one that is no descriptor. */
    uint64_t sets[2] = { 1, 2 };
    uaddr_t set = guest_bytes(&f, sets, sizeof(sets));
    EXPECT_EQ(linux_select(2, set, set + 8, 0, 0), 1);
    EXPECT_EQ(copy_in(sets, set, sizeof(sets)), 0);
    EXPECT_EQ(sets[0], 0);
    EXPECT_EQ(sets[1], 2);
    sets[0] = (uint64_t)1 << 40;
    EXPECT_EQ(copy_out(set, sets, 8), 0);
    EXPECT_EQ(linux_select(41, set, 0, 0, 0), -EBADF);
    EXPECT_EQ(linux_select(-1, 0, 0, 0, 0), -EINVAL);
    close_both(fd);
    file_fixture_end(&f);
}

TEST(named_pipes_wait_for_their_other_side)
{
    struct file_fixture f;
    file_fixture_init(&f, NULL, 0);
    fifo_register(fifo_open_node);
    EXPECT_EQ(linux_mknodat(AT_FDCWD, guest_text(&f, "/fifo"), S_IFIFO | 0600, 0), 0);
    uaddr_t name = guest_text(&f, "/fifo"), room = guest_room(&f, 16);
    EXPECT_EQ(linux_openat(AT_FDCWD, name, O_WRONLY | O_NONBLOCK, 0), -ENXIO);
    EXPECT_EQ(linux_openat(AT_FDCWD, name, O_RDONLY | O_NONBLOCK, 0), 0);
    EXPECT_EQ(linux_read(0, room, 1), 0);
    EXPECT_EQ(linux_openat(AT_FDCWD, name, O_WRONLY | O_NONBLOCK, 0), 1);
    EXPECT_EQ(linux_read(0, room, 1), -EAGAIN);
    EXPECT_EQ(linux_write(1, name, 5), 5);
    EXPECT_EQ(linux_read(0, room, 16), 5);
    EXPECT_EQ(linux_openat(AT_FDCWD, name, O_RDWR, 0), 2);
    for (int fd = 0; fd < 3; fd++)
        EXPECT_EQ(linux_close(fd), 0);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, name, 0), 0);
    file_fixture_end(&f);
    fifo_register(NULL);
}

TEST(a_pipe_that_finds_no_memory_leaves_nothing)
{
    struct file_fixture f;
    int64_t result = -ENOMEM;
    file_fixture_init(&f, NULL, 0);
    uaddr_t at = guest_room(&f, 8);
    uint64_t blocks = heap_counts().blocks;
    for (uint64_t n = 1; result != 0 && n < 100; n++) {
        heap_fail_after(n);
        result = linux_pipe2(at, 0);
        heap_fail_after(0);
        EXPECT(result == 0 || result == -ENOMEM);
        if (result != 0)
            EXPECT_EQ(heap_counts().blocks, blocks);
    }
    EXPECT_EQ(result, 0);
    EXPECT_EQ(linux_close(0), 0);
    EXPECT_EQ(linux_close(1), 0);
    file_fixture_end(&f);
}

/* ---- Several at a time ---- */

enum { WRITERS = 4, ROUNDS = 300, PIECE = 1000 };

static void writes_pieces(uint64_t which, uint64_t b, uint64_t c)
{
    uint8_t piece[PIECE];
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(close, 0), 0);
    memset(piece, (int)which, sizeof(piece));
    EXPECT_EQ(copy_out(GUEST_DATA + 4096, piece, sizeof(piece)), 0);
    for (unsigned i = 0; i < ROUNDS; i++)
        EXPECT_EQ(CALL(write, 1, GUEST_DATA + 4096, PIECE), PIECE);
}

/* Pieces of different writers do not mix, and the end comes after the last of them. */
static void reads_pieces(uint64_t a, uint64_t b, uint64_t c)
{
    uint8_t piece[PIECE];
    unsigned count[WRITERS] = { 0 };
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(pipe2, GUEST_DATA, 0), 0);
    for (uint64_t i = 0; i < WRITERS; i++)
        EXPECT(guest_fork(writes_pieces, i) > 0);
    EXPECT_EQ(CALL(close, 1), 0);
    for (;;) {
        uint64_t have = 0;
        int64_t part = 1;
        while (have < PIECE && (part = CALL(read, 0, GUEST_DATA + 4096 + have, PIECE - have)) > 0)
            have += (uint64_t)part;
        if (have == 0)
            break;
        EXPECT_EQ(have, PIECE);
        EXPECT_EQ(copy_in(piece, GUEST_DATA + 4096, PIECE), 0);
        EXPECT(piece[0] < WRITERS && piece[0] == piece[PIECE / 2] && piece[0] == piece[PIECE - 1]);
        count[piece[0] % WRITERS]++;
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        EXPECT_EQ(count[i], ROUNDS);
    }
}

TEST(many_write_one_reads)
{
    world_run(reads_pieces, 0);
}

static void polls_and_reads(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(close, 1), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        guest_store(GUEST_DATA, (uint64_t)POLL_IN << 32);
        EXPECT_EQ(CALL(poll, GUEST_DATA, 1, (uint64_t)-1), 1);
        EXPECT_EQ(CALL(read, 0, GUEST_DATA, 1), 1);
        EXPECT_EQ(CALL(write, 3, GUEST_DATA, 1), 1);
    }
}

static void ping(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(pipe2, GUEST_DATA, 0), 0);
    EXPECT_EQ(CALL(pipe2, GUEST_DATA, 0), 0);
    int64_t child = guest_fork(polls_and_reads, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        EXPECT_EQ(CALL(write, 1, GUEST_DATA, 1), 1);
        EXPECT_EQ(CALL(read, 2, GUEST_DATA, 1), 1);
    }
    EXPECT_EQ(guest_wait((int32_t)child), 0);
}

TEST(who_polls_is_woken_each_time)
{
    world_run(ping, 0);
}

static void interrupted(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(read, 0, GUEST_DATA, 1), 1); /* not reached */
}

static void kills_a_reader(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(pipe2, GUEST_DATA, 0), 0);
    int64_t child = guest_fork(interrupted, 0);
    EXPECT_EQ(CALL(kill, (uint64_t)child, SIGTERM), 0);
    EXPECT_EQ(guest_wait((int32_t)child), SIGTERM);
}

TEST(a_signal_ends_a_read)
{
    world_run(kills_a_reader, 0);
}

#define FIFO_NAME (GUEST_DATA + 64)

static void writes_one_and_goes(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(openat, (uint64_t)AT_FDCWD, FIFO_NAME, O_WRONLY, 0), 0);
    EXPECT_EQ(CALL(write, 0, GUEST_DATA, 1), 1);
    EXPECT_EQ(CALL(close, 0), 0);
}

/* The writer may have come and gone while the reader still opens. */
static void meets_writers(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(copy_out(FIFO_NAME, "/fifo", 6), 0);
    EXPECT_EQ(CALL(mknodat, (uint64_t)AT_FDCWD, FIFO_NAME, S_IFIFO | 0600, 0), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t child = guest_fork(writes_one_and_goes, 0);
        EXPECT_EQ(CALL(openat, (uint64_t)AT_FDCWD, FIFO_NAME, O_RDONLY, 0), 0);
        EXPECT_EQ(CALL(read, 0, GUEST_DATA, 16), 1);
        EXPECT_EQ(CALL(read, 0, GUEST_DATA, 16), 0);
        EXPECT_EQ(CALL(close, 0), 0);
        EXPECT_EQ(guest_wait((int32_t)child), 0);
    }
    EXPECT_EQ(CALL(unlinkat, (uint64_t)AT_FDCWD, FIFO_NAME, 0), 0);
}

TEST(both_sides_of_a_named_pipe_meet_however_soon_one_goes)
{
    fifo_register(fifo_open_node);
    file_world_run(meets_writers);
    fifo_register(NULL);
}
