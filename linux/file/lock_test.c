/* Locks of several processes and threads. */
#include "fixture.h"
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/world.h>
#include <string.h>

#define NAME   GUEST_DATA
#define FLOCK  (GUEST_DATA + 256)
#define TID    (GUEST_DATA + 512)
#define HELD   GUEST_SHARED
#define CLOSED (GUEST_SHARED + 4)
#define RESULT (GUEST_SHARED + 8)

enum { LOCKED = 3, OTHER = 4 };

static int64_t lock(int fd, int command)
{
    const struct linux_flock whole = { .type = F_WRLCK, .whence = SEEK_SET };
    EXPECT_EQ(copy_out(FLOCK, &whole, sizeof(whole)), 0);
    return CALL(fcntl, (uint64_t)fd, (uint64_t)command, FLOCK);
}

/* Has the lock until the descriptor that another process waits with is closed. */
static void holder(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(lock(LOCKED, F_SETLK), 0);
    guest_store_32(HELD, 1);
    while (guest_load_32_of(CLOSED) == 0)
        guest_poll();
}

static void waits(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    guest_store_32(RESULT, (uint32_t)-lock(LOCKED, F_SETLKW));
    (void)CALL(exit, 0);
}

static void next_holder(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(lock(OTHER, F_SETLK), 0);
}

static bool sleeps(int32_t tid)
{
    struct task *task = task_find(tid);
    bool found = task != NULL && __atomic_load_n(&task->state, __ATOMIC_RELAXED) == TASK_SLEEPING;
    if (task != NULL)
        task_put(task);
    return found;
}

static void closes_meanwhile(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(copy_out(NAME, "/file", 6), 0);
    for (uint64_t fd = 0; fd <= OTHER; fd++)
        EXPECT_EQ(CALL(openat, (uint64_t)AT_FDCWD, NAME, O_RDWR | O_CREAT, 0644), (int64_t)fd);
    EXPECT_EQ(CALL(unlinkat, (uint64_t)AT_FDCWD, NAME, 0), 0);
    int64_t child = guest_fork(holder, 0);
    while (guest_load_32_of(HELD) == 0)
        guest_poll();
    int64_t tid = guest_thread(waits, 0, 1, TID);
    while (!sleeps((int32_t)tid))
        guest_poll();
    EXPECT_EQ(CALL(close, LOCKED), 0);
    guest_store_32(CLOSED, 1);
    EXPECT_EQ(guest_wait((int32_t)child), 0);
    guest_join(TID);
    EXPECT_EQ(guest_load_32_of(RESULT), EBADF);
    EXPECT_EQ(guest_wait((int32_t)guest_fork(next_holder, 0)), 0);
}

TEST(a_lock_that_comes_after_the_close_does_not_stay)
{
    file_world_run(closes_meanwhile);
}
