#include "fixture.h"
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/container.h>
#include <linux/heap.h>
#include <linux/poll.h>
#include <linux/tty.h>
#include <rt/ring.h>
#include <stdlib.h>
#include <string.h>

/* The creator's side of a session: the ring, and what came out of it. */
struct creator {
    struct file_fixture files;
    void *memory;
    struct ring ring;
    struct session *session;
};

static void creator_init(struct creator *c)
{
    size_t size_bytes = ring_bytes(CONTAINER_EVENTS, sizeof(struct container_entry));
    file_fixture_init(&c->files, NULL, 0);
    c->memory = aligned_alloc(4096, (size_bytes + 4095) & ~(size_t)4095);
    memset(c->memory, 0, size_bytes);
    EXPECT_EQ(events_start(c->memory, size_bytes, 0, 0), 0);
    EXPECT_EQ(ring_open_consumer(&c->ring, c->memory, size_bytes, CONTAINER_EVENTS,
                                 sizeof(struct container_entry)),
              OK);
    c->session = heap_alloc(sizeof(*c->session));
    c->session->id = 7;
    c->session->references = 1;
}

static void creator_end(struct creator *c)
{
    for (int fd; (fd = fd_next(c->files.task, 0)) >= 0;)
        EXPECT_EQ(linux_close(fd), 0);
    session_put(c->session);
    file_fixture_end(&c->files);
    free(c->memory);
}

static void use(struct creator *c, bool input)
{
    struct file_table *old = c->files.task->files;
    EXPECT_EQ(stdio_create(c->session, input, &c->files.task->files), 0);
    file_table_put(old);
}

TEST(output_goes_out_in_entries_and_waits_for_room)
{
    struct creator c;
    struct container_entry entry;
    creator_init(&c);
    use(&c, false);
    uaddr_t text = guest_text(&c.files, "hello");
    EXPECT_EQ(linux_read(0, text, 5), 0); /* there is no input */
    EXPECT_EQ(linux_write(1, text, 5), 5);
    EXPECT_EQ(linux_write(2, text, 0), 0);
    EXPECT_EQ(linux_write(2, text, 600), 600);
    EXPECT_EQ(ring_pop(&c.ring, &entry), OK);
    EXPECT(entry.kind == CONTAINER_OUTPUT && entry.session == 7 && entry.size_bytes == 5);
    EXPECT_EQ(memcmp(entry.data, "hello", 5), 0);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT_EQ(ring_pop(&c.ring, &entry), OK);
        EXPECT(entry.kind == CONTAINER_ERROR);
        EXPECT_EQ(entry.size_bytes, i < 2 ? CONTAINER_DATA_BYTES : 120);
    }
    EXPECT_EQ(linux_fcntl(1, F_SETFL, O_NONBLOCK), 0);
    for (unsigned i = 0; i < CONTAINER_EVENTS; i++)
        EXPECT_EQ(linux_write(1, text, 5), 5);
    EXPECT_EQ(linux_write(1, text, 5), -EAGAIN);
    EXPECT(!events_has_room());
    EXPECT_EQ(ring_pop(&c.ring, &entry), OK);
    events_room();
    EXPECT(events_has_room());
    EXPECT_EQ(linux_write(1, text, 5), 5);
    EXPECT_EQ(linux_write(1, 8, 5), -EFAULT);
    EXPECT_EQ(linux_read(1, text, 5), -EBADF);
    while (ring_pop(&c.ring, &entry) == OK)
        ;
    creator_end(&c);
}

TEST(input_comes_whole_or_later_and_ends)
{
    struct creator c;
    static uint8_t bytes[40000];
    creator_init(&c);
    use(&c, true);
    struct stdio_input *input = c.session->input;
    uaddr_t room = guest_room(&c.files, 65536);
    EXPECT_EQ(linux_fcntl(0, F_SETFL, O_NONBLOCK), 0);
    EXPECT_EQ(linux_read(0, room, 10), -EAGAIN);
    EXPECT_EQ(stdio_input(input, bytes, sizeof(bytes)), 0);
    EXPECT_EQ(stdio_input(input, bytes, sizeof(bytes)), -EAGAIN);
    EXPECT_EQ(linux_read(0, room, 30000), 30000);
    EXPECT_EQ(stdio_input(input, bytes, sizeof(bytes)), 0); /* around the end of the ring */
    EXPECT_EQ(stdio_input(input, NULL, 0), 0);
    EXPECT_EQ(stdio_input(input, bytes, 1), -EPIPE);
    EXPECT_EQ(linux_read(0, room, 65536), 50000);
    EXPECT_EQ(linux_read(0, room, 65536), 0);
    EXPECT_EQ(linux_write(0, room, 1), -EBADF);
    creator_end(&c);
}

TEST(streams_open_again_by_their_descriptors)
{
    struct creator c;
    struct container_entry entry;
    creator_init(&c);
    use(&c, true);
    uaddr_t text = guest_text(&c.files, "again");
    EXPECT_EQ(linux_openat(AT_FDCWD, guest_text(&c.files, "/proc/self/fd/2"), O_WRONLY, 0), 3);
    EXPECT_EQ(linux_openat(AT_FDCWD, guest_text(&c.files, "/proc/self/fd/0"), O_RDONLY, 0), 4);
    EXPECT_EQ(linux_openat(AT_FDCWD, guest_text(&c.files, "/proc/self/fd/1"), O_RDWR, 0), -EACCES);
    EXPECT_EQ(linux_close(2), 0);
    EXPECT_EQ(linux_write(3, text, 5), 5);
    EXPECT_EQ(ring_pop(&c.ring, &entry), OK);
    EXPECT(entry.kind == CONTAINER_ERROR && entry.session == 7 && entry.size_bytes == 5);
    /* The first reader goes, the second still reads. */
    EXPECT_EQ(linux_close(0), 0);
    EXPECT_EQ(stdio_input(c.session->input, (const uint8_t *)"hi", 2), 0);
    EXPECT_EQ(linux_read(4, guest_room(&c.files, 8), 8), 2);
    EXPECT_EQ(linux_close(4), 0);
    EXPECT_EQ(stdio_input(c.session->input, (const uint8_t *)"hi", 2), -EPIPE);
    creator_end(&c);
}

TEST(a_session_that_finds_no_memory_leaves_nothing)
{
    struct creator c;
    struct file_table *table;
    int error = -ENOMEM;
    creator_init(&c);
    for (uint64_t n = 1; error != 0 && n < 50; n++) {
        struct session *session = heap_alloc(sizeof(*session));
        session->references = 1;
        heap_fail_after(n);
        error = stdio_create(session, true, &table);
        heap_fail_after(0);
        EXPECT(error == 0 || error == -ENOMEM);
        if (error == 0)
            file_table_put(table);
        session_put(session);
    }
    EXPECT_EQ(error, 0);
    creator_end(&c);
}

TEST(a_terminal_of_the_creator_shows_and_types)
{
    struct creator c;
    struct tty *tty;
    uint8_t shown[64];
    creator_init(&c);
    terminals_start();
    EXPECT_EQ(terminal_create(24, 80, &tty), 0);
    c.files.task->process->session_leader = true;
    c.files.task->process->session = c.files.task->process->group = c.files.task->process->pid;
    EXPECT_EQ(terminal_open_stdio(tty, 5), 0);
    EXPECT(c.files.task->process->terminal == tty);
    EXPECT_EQ(tty->foreground, c.files.task->process->pid);
    EXPECT_EQ(terminal_input(tty, (const uint8_t *)"hi\r", 3), 0);
    uaddr_t room = guest_room(&c.files, 64);
    EXPECT_EQ(linux_read(0, room, 64), 3);
    EXPECT_EQ(terminal_output(tty, shown, sizeof(shown)), 4);
    EXPECT_EQ(memcmp(shown, "hi\r\n", 4), 0);
    EXPECT_EQ(linux_write(2, room, 3), 3);
    EXPECT_EQ(linux_openat(AT_FDCWD, guest_text(&c.files, "/dev/console"), O_RDWR, 0), 3);
    terminal_close(tty);
    EXPECT_EQ(terminal_output(tty, shown, 2), 2); /* what was printed before */
    EXPECT_EQ(terminal_output(tty, shown, sizeof(shown)), 2);
    EXPECT_EQ(terminal_output(tty, shown, sizeof(shown)), 0);
    EXPECT(c.files.task->process->terminal == NULL);
    EXPECT_EQ(linux_read(0, room, 1), 0);
    EXPECT_EQ(linux_openat(AT_FDCWD, guest_text(&c.files, "/dev/console"), O_RDWR, 0), -ENXIO);
    tty_put(tty);
    creator_end(&c);
}
