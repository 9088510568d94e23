#include "proc_impl.h"
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <linux/host.h>
#include <linux/mm.h>
#include <linux/single.h>
#include <linux/world.h>
#include <sched.h>

#define EXITED(code) ((int64_t)(code) << 8)
#define ANY          ((uint64_t)-1)
enum { WAIT_STATUS_CONTINUED = 0xffff };

static uint64_t shared_word; /* atomic; all programs are C of one process */

static uint64_t word(void)
{
    return __atomic_load_n(&shared_word, __ATOMIC_SEQ_CST);
}

static void set_word(uint64_t value)
{
    __atomic_store_n(&shared_word, value, __ATOMIC_SEQ_CST);
}

static void wait_for_word(uint64_t value)
{
    while (word() != value)
        guest_poll();
}

static void exits(uint64_t code, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    (void)CALL(exit_group, code);
}

static void spins(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    for (;;)
        guest_poll();
}

static void waits_for_children(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    int64_t child = guest_fork(exits, 7);
    EXPECT_EQ(child, 2);
    EXPECT_EQ(guest_wait((int32_t)child), EXITED(7));
    EXPECT_EQ(guest_wait((int32_t)child), -ECHILD);
    child = guest_fork(spins, 0);
    EXPECT_EQ(CALL(wait4, ANY, 0, WNOHANG, 0), 0);
    EXPECT_EQ(CALL(kill, (uint64_t)child, SIGKILL), 0);
    EXPECT_EQ(guest_wait((int32_t)child), SIGKILL);
    EXPECT_EQ(CALL(kill, (uint64_t)child, 0), -ESRCH);
    EXPECT_EQ(CALL(wait4, ANY, 0, 0x100, 0), -EINVAL);
}

TEST(a_parent_hears_how_its_children_end)
{
    world_run(waits_for_children, 0);
}

static void waitid_program(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    uint64_t child = (uint64_t)guest_fork(exits, 3);
    EXPECT_EQ(CALL(waitid, P_PID, child, GUEST_DATA, WEXITED | WNOWAIT, 0), 0);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA), SIGCHLD);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 8), CLD_EXITED);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 16), child);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 24), 3);
    EXPECT_EQ(CALL(waitid, P_PID, child, GUEST_DATA, WEXITED, GUEST_DATA + 256), 0);
    EXPECT_EQ(CALL(waitid, P_PID, child, GUEST_DATA, WEXITED, 0), -ECHILD);
    EXPECT_EQ(CALL(waitid, P_ALL, 0, GUEST_DATA, 0, 0), -EINVAL);
    child = (uint64_t)guest_fork(spins, 0);
    EXPECT_EQ(CALL(waitid, P_ALL, 0, GUEST_DATA, WEXITED | WNOHANG, 0), 0);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA), 0);
    EXPECT_EQ(CALL(kill, child, SIGTERM), 0);
    EXPECT_EQ(CALL(waitid, P_PGID, 0, GUEST_DATA, WEXITED, 0), 0);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 8), CLD_KILLED);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 24), SIGTERM);
    EXPECT_EQ(CALL(waitid, P_ALL, 0, GUEST_DATA, WEXITED, 0), -ECHILD);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA), 0);
    EXPECT_EQ(CALL(waitid, P_ALL, 0, 1, WEXITED, 0), -EFAULT); /* it is filled all the same */
}

TEST(waitid_tells_and_may_leave_what_it_found)
{
    world_run(waitid_program, 0);
}

/* As if ids had come round: a child gets the number of the one before, which is gone. */
static void waits_for_a_process_not_its_number(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    int64_t first = guest_fork(exits, 1);
    int64_t fd = CALL(pidfd_open, (uint64_t)first, 0);
    EXPECT(fd >= 0);
    EXPECT_EQ(guest_wait((int32_t)first), EXITED(1));
    int64_t second = guest_fork(exits, 2);
    struct process *process = process_find((int32_t)second);
    rt_lock(&processes_lock);
    table_remove_process(process);
    process->pid = (int32_t)first;
    table_add_process(process);
    rt_unlock(&processes_lock);
    process_put(process); /* table_add_process counts another */
    process_put(process);
    EXPECT_EQ(CALL(waitid, P_PIDFD, (uint64_t)fd, GUEST_DATA, WEXITED, 0), -ECHILD);
    EXPECT_EQ(CALL(waitid, P_PIDFD, ANY, GUEST_DATA, WEXITED, 0), -EINVAL);
    EXPECT_EQ(CALL(waitid, P_PIDFD, (uint64_t)fd + 1, GUEST_DATA, WEXITED, 0), -EBADF);
    EXPECT_EQ(CALL(close, (uint64_t)fd), 0);
    fd = CALL(pidfd_open, (uint64_t)first, 0);
    EXPECT_EQ(CALL(waitid, P_PIDFD, (uint64_t)fd, GUEST_DATA, WEXITED, 0), 0);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 24), 2);
    EXPECT_EQ(CALL(waitid, P_PIDFD, (uint64_t)fd, GUEST_DATA, WEXITED, 0), -ECHILD);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 24), 0);
    EXPECT_EQ(CALL(close, (uint64_t)fd), 0);
}

TEST(a_pidfd_is_waited_for_whoever_has_its_number)
{
    world_run(waits_for_a_process_not_its_number, 0);
}

static void waits_for_nobody(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    int64_t child = guest_fork(spins, 0);
    uint64_t fd = (uint64_t)CALL(pidfd_open, (uint64_t)child, O_NONBLOCK);
    EXPECT_EQ(CALL(waitid, P_PIDFD, fd, GUEST_DATA, WEXITED, 0), -EAGAIN);
    EXPECT_EQ(CALL(waitid, P_PIDFD, fd, GUEST_DATA, WEXITED | WNOHANG, 0), 0);
    EXPECT_EQ(CALL(kill, (uint64_t)child, SIGKILL), 0);
    EXPECT_EQ(CALL(fcntl, fd, F_SETFL, 0), 0);
    EXPECT_EQ(CALL(waitid, P_PIDFD, fd, GUEST_DATA, WEXITED, 0), 0);
    EXPECT_EQ(CALL(close, fd), 0);
}

TEST(a_nonblocking_pidfd_does_not_wait)
{
    world_run(waits_for_nobody, 0);
}

static void never(void *argument)
{
    (void)argument;
    EXPECT(false);
}

/* Another that nobody forked, as when something more is to run in a container that ends. */
static void comes_after_process_1(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    struct process *first = task_self()->process;
    struct task *task = single_task_make(never);
    struct process *process = task->process;
    rt_lock(&processes_lock);
    first->zombie = true;
    rt_unlock(&processes_lock);
    EXPECT_EQ(process_publish(process, task, NULL), -ESRCH);
    rt_lock(&processes_lock);
    first->zombie = false;
    EXPECT(table_task(task->tid) == NULL);
    rt_unlock(&processes_lock);
    task_discard(task);
    process_put(process);
}

TEST(nobody_comes_after_process_1)
{
    world_run(comes_after_process_1, 0);
}

/* What the kernel answers getppid with, which makes no call of it: so both must say the same. */
static void expect_parent(int64_t pid)
{
    const struct guest_state *state = vcpu_state(task_self()->vcpu);
    uint64_t set = state->reply_set[LINUX_CALL_getppid / 64];
    EXPECT_EQ(CALL(getppid), pid);
    EXPECT((set & BIT64(LINUX_CALL_getppid % 64)) != 0);
    EXPECT_EQ(state->reply[LINUX_CALL_getppid], (uint64_t)pid);
}

static void leaves_an_orphan(uint64_t reaper, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    int64_t child = guest_fork(spins, 0);
    expect_parent((int64_t)reaper);
    set_word((uint64_t)child);
}

static void reaps_orphans(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    set_word(0);
    expect_parent(0);
    int64_t child = guest_fork(leaves_an_orphan, 1);
    EXPECT_EQ(guest_wait((int32_t)child), 0);
    uint64_t orphan = word();
    EXPECT_EQ(CALL(wait4, orphan, 0, WNOHANG, 0), 0);
    EXPECT_EQ(CALL(kill, orphan, SIGTERM), 0);
    EXPECT_EQ(guest_wait((int32_t)orphan), SIGTERM);
}

TEST(orphans_are_process_1s)
{
    world_run(reaps_orphans, 0);
}

static void is_a_subreaper(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(prctl, 36, 1), 0);
    int64_t child = guest_fork(leaves_an_orphan, (uint64_t)CALL(getpid));
    EXPECT_EQ(guest_wait((int32_t)child), 0);
    EXPECT_EQ(CALL(kill, word(), SIGTERM), 0);
    EXPECT_EQ(guest_wait((int32_t)word()), SIGTERM);
}

static void has_a_subreaper(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    int64_t child = guest_fork(is_a_subreaper, 0);
    EXPECT_EQ(guest_wait((int32_t)child), 0);
    EXPECT_EQ(CALL(wait4, ANY, 0, WNOHANG, 0), -ECHILD);
}

TEST(a_subreaper_takes_orphans_first)
{
    world_run(has_a_subreaper, 0);
}

static void leaves_children_behind(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    for (unsigned i = 0; i < 3; i++)
        EXPECT(guest_fork(spins, 0) > 0);
    for (unsigned i = 1; i < 4; i++)
        EXPECT(guest_thread(spins, 0, i, GUEST_DATA) > 0);
}

TEST(the_end_of_process_1_is_everybodys)
{
    world_run(leaves_children_behind, 0);
}

static void ignores_children(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    guest_handle(SIGCHLD, (guest_function *)SIG_IGN, 0);
    for (unsigned i = 0; i < 3; i++)
        EXPECT(guest_fork(exits, i) > 0);
    EXPECT_EQ(CALL(wait4, ANY, 0, 0, 0), -ECHILD);
}

TEST(children_that_nobody_wants_to_hear_of_leave_no_zombie)
{
    world_run(ignores_children, 0);
}

/* ---- threads ---- */

static void adds(uint64_t times, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    for (uint64_t i = 0; i < times; i++)
        (void)__atomic_fetch_add(&shared_word, 1, __ATOMIC_SEQ_CST);
    (void)CALL(exit, 0);
}

static void has_threads(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    set_word(0);
    for (unsigned i = 0; i < 8; i++)
        EXPECT(guest_thread(adds, 10, i + 1, GUEST_DATA + 4ull * i) > 1);
    for (unsigned i = 0; i < 8; i++)
        guest_join(GUEST_DATA + 4ull * i);
    EXPECT_EQ(word(), 80);
    EXPECT_EQ(CALL(getpid), 1);
    EXPECT_EQ(CALL(tgkill, 1, 5, 0), -ESRCH);
}

TEST(a_thread_that_ends_clears_its_word_and_wakes)
{
    world_run(has_threads, 0);
}

static void leader_leaves(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    set_word(0);
    EXPECT(guest_thread(exits, 0, 1, GUEST_DATA) > 0);
    (void)CALL(exit, 5);
}

static void exits_from_a_thread(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT(guest_thread(exits, 9, 1, GUEST_DATA) > 0);
    spins(0, 0, 0);
}

static void watches_threads(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    int64_t child = guest_fork(exits_from_a_thread, 0);
    EXPECT_EQ(guest_wait((int32_t)child), EXITED(9));
    child = guest_fork(leader_leaves, 0);
    EXPECT_EQ(guest_wait((int32_t)child), 0);
}

TEST(exit_group_of_any_thread_decides)
{
    world_run(watches_threads, 0);
}

/* ---- vfork ---- */

static void tells_and_exits(uint64_t a, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    for (unsigned i = 0; i < 50; i++)
        guest_poll();
    guest_store(GUEST_DATA, a);
    (void)CALL(exit_group, 0);
}

static void vforks(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    guest_store(GUEST_DATA, 0);
    int64_t child = guest_clone(CLONE_VM | CLONE_VFORK | SIGCHLD,
                                GUEST_STACKS + 2 * GUEST_STACK_BYTES, tells_and_exits, 42);
    EXPECT(child > 0);
    EXPECT_EQ(guest_load(GUEST_DATA), 42);
    EXPECT_EQ(guest_wait((int32_t)child), 0);
    child = guest_fork(tells_and_exits, 43);
    EXPECT_EQ(guest_wait((int32_t)child), 0);
    EXPECT_EQ(guest_load(GUEST_DATA), 42);
}

TEST(vfork_waits_and_shares_where_fork_does_neither)
{
    world_run(vforks, 0);
}

/* The child lives on; the parent is ended out of its wait. */
static void vforks_forever(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    set_word((uint64_t)CALL(getpid));
    (void)guest_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, GUEST_STACKS + 2 * GUEST_STACK_BYTES, spins,
                      0);
}

static void kills_a_vfork(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    set_word(0);
    int64_t child = guest_fork(vforks_forever, 0);
    wait_for_word((uint64_t)child);
    for (unsigned i = 0; i < 50; i++)
        guest_poll();
    EXPECT_EQ(CALL(kill, (uint64_t)child, SIGKILL), 0);
    EXPECT_EQ(guest_wait((int32_t)child), SIGKILL);
}

TEST(who_waits_for_a_vfork_can_be_killed)
{
    world_run(kills_a_vfork, 0);
}

/* ---- failures ---- */

static void forks_without_memory(uint64_t flags, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    unsigned failures = 0;
    for (uint64_t n = 1;; n++) {
        heap_fail_after(n);
        int64_t child = guest_clone(flags, GUEST_STACKS + 2 * GUEST_STACK_BYTES, exits, 0);
        heap_fail_after(0);
        if (child > 0)
            break;
        EXPECT_EQ(child, -ENOMEM);
        failures++;
    }
    EXPECT(failures > 3);
    EXPECT(CALL(wait4, ANY, 0, 0, 0) > 0);
}

TEST(a_fork_that_finds_no_memory_leaves_nothing)
{
    world_run(forks_without_memory, SIGCHLD);
    world_run(forks_without_memory, CLONE_VM | CLONE_VFORK | SIGCHLD);
}

static void clones_wrongly(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    static const struct {
        uint64_t flags;
        int64_t error;
    } wrong[] = {
        { CLONE_THREAD, -EINVAL },
        { CLONE_SIGHAND, -EINVAL },
        { CLONE_THREAD | CLONE_SIGHAND, -EINVAL },
        { CLONE_PARENT | SIGCHLD, -EINVAL },
        { CLONE_NEWPID, -EINVAL },
        { CLONE_NEWUSER | SIGCHLD, -EINVAL },
        { CLONE_PIDFD | CLONE_DETACHED, -EINVAL },
        { CLONE_PIDFD | CLONE_PARENT_SETTID, -EINVAL },
        { 70, -EINVAL },
    };
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++)
        EXPECT_EQ(guest_clone(wrong[i].flags, 0, exits, 0), wrong[i].error);
    EXPECT_EQ(CALL(clone3, GUEST_DATA, 63), -EINVAL);
    EXPECT_EQ(CALL(clone3, GUEST_DATA, 5000), -E2BIG);
    EXPECT_EQ(CALL(clone3, 1, 88), -EFAULT);
    guest_store(GUEST_DATA + 88, 1);
    EXPECT_EQ(CALL(clone3, GUEST_DATA, 96), -E2BIG);
    guest_store(GUEST_DATA, SIGCHLD);
    EXPECT_EQ(CALL(clone3, GUEST_DATA, 88), -EINVAL);
    guest_store(GUEST_DATA, 0);
    guest_store(GUEST_DATA + 40, 1);
    EXPECT_EQ(CALL(clone3, GUEST_DATA, 88), -EINVAL);
    EXPECT_EQ(CALL(unshare, CLONE_NEWNS), -EINVAL);
    EXPECT_EQ(CALL(unshare, CLONE_FILES | CLONE_FS), 0);
}

TEST(clones_that_cannot_be_are_refused)
{
    world_run(clones_wrongly, 0);
}

static void forks_too_often(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    int64_t child[8];
    unsigned count = 0;
    processes_limit(5);
    while (count < 8 && (child[count] = guest_fork(spins, 0)) > 0)
        count++;
    EXPECT_EQ(count, 4);
    EXPECT_EQ(child[4], -EAGAIN);
    EXPECT_EQ(guest_thread(exits, 0, 1, GUEST_DATA), -EAGAIN);
    processes_limit(0);
    EXPECT_EQ(CALL(kill, (uint64_t)-1, SIGKILL), 0);
    while (count-- > 0)
        EXPECT_EQ(guest_wait((int32_t)child[count]), SIGKILL);
    EXPECT_EQ(CALL(kill, (uint64_t)-1, SIGKILL), -ESRCH);
}

TEST(a_fork_bomb_meets_the_containers_limit)
{
    world_run(forks_too_often, 0);
}

static void forks_as_a_user(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(setuid, 1000), 0);
    guest_store(GUEST_DATA, 1);
    guest_store(GUEST_DATA + 8, 1);
    EXPECT_EQ(CALL(prlimit64, 0, RLIMIT_NPROC, GUEST_DATA, 0), 0);
    EXPECT_EQ(guest_fork(exits, 0), -EAGAIN);
    guest_store(GUEST_DATA + 8, 2);
    EXPECT_EQ(CALL(prlimit64, 0, RLIMIT_NPROC, GUEST_DATA, 0), -EPERM);
}

static void has_users(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    set_word(0);
    for (unsigned i = 0; i < 2; i++) {
        int64_t child = guest_fork(forks_as_a_user, 0);
        EXPECT_EQ(guest_wait((int32_t)child), 0);
    }
}

TEST(a_users_processes_are_limited)
{
    world_run(has_users, 0);
}

/* ---- sessions and groups ---- */

static void groups_itself(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    int64_t self = CALL(getpid);
    EXPECT_EQ(CALL(setpgid, 0, 0), 0);
    EXPECT_EQ(CALL(getpgid, 0), self);
    EXPECT_EQ(CALL(setsid), -EPERM);
    int64_t child = guest_fork(spins, 0);
    EXPECT_EQ(CALL(getpgid, (uint64_t)child), self);
    EXPECT_EQ(CALL(setpgid, (uint64_t)child, (uint64_t)child), 0);
    EXPECT_EQ(CALL(setpgid, (uint64_t)child, (uint64_t)self), 0);
    EXPECT_EQ(CALL(setpgid, (uint64_t)child, 12345), -EPERM);
    EXPECT_EQ(CALL(setpgid, 1, 1), -ESRCH);
    EXPECT_EQ(CALL(setpgid, 0, (uint64_t)-1), -EINVAL);
    EXPECT_EQ(CALL(kill, (uint64_t)child, SIGKILL), 0);
    EXPECT_EQ(guest_wait((int32_t)child), SIGKILL);
}

static void sessions_program(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(getsid, 0), 1);
    EXPECT_EQ(CALL(setpgid, 0, 0), -EPERM);
    int64_t child = guest_fork(groups_itself, 0);
    EXPECT_EQ(guest_wait((int32_t)child), 0);
    EXPECT_EQ(CALL(getsid, 4711), -ESRCH);
}

TEST(groups_and_sessions_have_their_rules)
{
    world_run(sessions_program, 0);
}

/* ---- ids ---- */

static void drops_root(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    guest_store_32(GUEST_DATA, 30);
    guest_store_32(GUEST_DATA + 4, 10);
    guest_store_32(GUEST_DATA + 8, 20);
    EXPECT_EQ(CALL(setgroups, 3, GUEST_DATA), 0);
    EXPECT_EQ(CALL(getgroups, 2, GUEST_DATA), -EINVAL);
    EXPECT_EQ(CALL(getgroups, 3, GUEST_DATA), 3);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA), 10);
    EXPECT(cred_in_group(task_self()->cred, 20));
    EXPECT(!cred_in_group(task_self()->cred, 25));
    EXPECT_EQ(CALL(setresgid, 5, 6, 7), 0);
    EXPECT_EQ(CALL(setresuid, 100, 200, 300), 0);
    EXPECT(!capable(CAP_SETUID));
    EXPECT_EQ(CALL(setresuid, 0, ANY, ANY), -EPERM);
    EXPECT_EQ(CALL(setuid, 0), -EPERM);
    EXPECT_EQ(CALL(setgroups, 0, 0), -EPERM);
    EXPECT_EQ(CALL(setreuid, ANY, 300), 0);
    EXPECT_EQ(CALL(geteuid), 300);
    EXPECT_EQ(CALL(setuid, 100), 0);
    EXPECT_EQ(CALL(getresuid, GUEST_DATA, GUEST_DATA + 4, GUEST_DATA + 8), 0);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 4), 100);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 8), 300);
    EXPECT_EQ(CALL(setfsuid, 0), 100);
    EXPECT_EQ(CALL(setfsuid, ANY), 100);
    EXPECT_EQ(CALL(kill, 1, 0), -EPERM);
    EXPECT_EQ(CALL(sethostname, GUEST_DATA, 3), -EPERM);
}

static void keeps_capabilities(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(prctl, 8, 1), 0);
    EXPECT_EQ(CALL(setuid, 1000), 0);
    guest_store_32(GUEST_DATA, 0x20080522);
    guest_store_32(GUEST_DATA + 4, 0);
    EXPECT_EQ(CALL(capget, GUEST_DATA, GUEST_DATA + 16), 0);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 16), 0);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 20), 0xffffffff);
    guest_store_32(GUEST_DATA + 16, 1u << CAP_KILL);
    guest_store_32(GUEST_DATA + 20, 1u << CAP_KILL);
    guest_store_32(GUEST_DATA + 28, 0);
    guest_store_32(GUEST_DATA + 32, 0);
    EXPECT_EQ(CALL(capset, GUEST_DATA, GUEST_DATA + 16), 0);
    EXPECT(capable(CAP_KILL) && !capable(CAP_SETUID));
    guest_store_32(GUEST_DATA + 20, 0xffffffff);
    EXPECT_EQ(CALL(capset, GUEST_DATA, GUEST_DATA + 16), -EPERM);
    EXPECT_EQ(CALL(prctl, 23, 40), 1);
    EXPECT_EQ(CALL(prctl, 23, 41), -EINVAL);
    EXPECT_EQ(CALL(prctl, 24, 5), -EPERM);
    guest_store_32(GUEST_DATA, 0);
    EXPECT_EQ(CALL(capget, GUEST_DATA, 0), 0);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA), 0x20080522);
}

static void ids_program(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(guest_wait((int32_t)guest_fork(drops_root, 0)), 0);
    EXPECT_EQ(guest_wait((int32_t)guest_fork(keeps_capabilities, 0)), 0);
}

TEST(who_has_dropped_root_does_not_get_it_back)
{
    world_run(ids_program, 0);
}

static void executes_set_id(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    struct cred *cred;
    bool secure;
    EXPECT_EQ(CALL(setresuid, 1000, 1000, 1000), 0);
    EXPECT_EQ(cred_for_exec(&(struct program_gifts){ .mode = 0755 }, &cred, &secure), 0);
    EXPECT_EQ(cred->euid, 1000);
    EXPECT_EQ(cred->permitted, 0);
    EXPECT(!secure);
    cred_put(cred);
    EXPECT_EQ(cred_for_exec(&(struct program_gifts){ .mode = 04755 }, &cred, &secure), 0);
    EXPECT_EQ(cred->euid, 0);
    EXPECT_EQ(cred->uid, 1000);
    EXPECT_EQ(cred->effective, CAP_ALL);
    EXPECT(secure);
    cred_put(cred);
    EXPECT_EQ(CALL(prctl, 38, 1), 0);
    EXPECT_EQ(CALL(prctl, 39), 1);
    EXPECT_EQ(cred_for_exec(&(struct program_gifts){ .mode = 06755 }, &cred, &secure), 0);
    EXPECT_EQ(cred->euid, 1000);
    EXPECT_EQ(cred->effective, 0);
    cred_put(cred);
}

TEST(set_id_programs_gain_unless_nothing_may_be_gained)
{
    world_run(executes_set_id, 0);
}

/* What execve does to a process, with a copy of its memory as the new program's. */
static void executes(uint32_t mode, bool secret)
{
    struct exec_change change;
    struct cred *cred;
    struct mm *mm;
    bool secure;
    EXPECT_EQ(cred_for_exec(&(struct program_gifts){ .mode = mode }, &cred, &secure), 0);
    EXPECT_EQ(mm_fork(task_self()->mm, &mm), 0);
    EXPECT_EQ(task_exec_begin(cred, secret, &change), 0);
    task_exec_commit(&change, mm, cred, "program");
}

enum { GET_DUMPABLE = 3, SET_DEATH_SIGNAL = 1, GET_DEATH_SIGNAL = 2 };

static void waits_for_word(uint64_t at, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    while (guest_load(at) == 0)
        guest_poll();
}

/* A child that was to end with a signal of the parent's choice does not hit what that executes. */
static void gains_with_a_child(uint64_t gains, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    guest_store(GUEST_SHARED, 0);
    EXPECT_EQ(CALL(setresuid, 1000, 1000, 1000), 0);
    EXPECT_EQ(CALL(prctl, SET_DEATH_SIGNAL, SIGKILL), 0);
    int64_t child = guest_clone(SIGKILL, 0, waits_for_word, GUEST_SHARED);
    EXPECT(child > 0);
    if (gains != 0) {
        executes(04755, false);
        EXPECT_EQ(CALL(geteuid), 0);
        EXPECT_EQ(CALL(prctl, GET_DUMPABLE), 0);
        EXPECT_EQ(CALL(prctl, GET_DEATH_SIGNAL, GUEST_DATA), 0);
        EXPECT_EQ(guest_load_32_of(GUEST_DATA), 0);
    }
    guest_store(GUEST_SHARED, 1);
    EXPECT_EQ(CALL(wait4, (uint64_t)child, 0, WALL, 0), child);
}

/* Who shares a working directory and a mask with what gains something shares them no more. */
static void changes_mask(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    waits_for_word(GUEST_SHARED, 0, 0);
    EXPECT_EQ(CALL(umask, 0), 022);
    guest_store(GUEST_SHARED + 8, 1);
}

static void gains_with_a_sharer(uint64_t gains, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    guest_store(GUEST_SHARED, 0);
    guest_store(GUEST_SHARED + 8, 0);
    EXPECT_EQ(CALL(setresuid, 1000, 1000, 1000), 0);
    (void)CALL(umask, 022);
    int64_t child = guest_clone(CLONE_FS | SIGCHLD, 0, changes_mask, 0);
    executes(gains != 0 ? 04755 : 0755, false);
    guest_store(GUEST_SHARED, 1);
    waits_for_word(GUEST_SHARED + 8, 0, 0);
    EXPECT_EQ(CALL(umask, 022), gains != 0 ? 022 : 0);
    EXPECT_EQ(guest_wait((int32_t)child), 0);
}

static void executes_what_it_may_not_read(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    executes(0755, false);
    EXPECT_EQ(CALL(prctl, GET_DUMPABLE), 1);
    executes(0711, true);
    EXPECT_EQ(CALL(prctl, GET_DUMPABLE), 0);
    EXPECT_EQ(CALL(prctl, 4, 1), 0);
    EXPECT_EQ(CALL(setresgid, 1000, 1000, 1000), 0);
    EXPECT_EQ(CALL(prctl, GET_DUMPABLE), 0);
}

static uint32_t death_signal_of_self(void)
{
    EXPECT_EQ(CALL(prctl, GET_DEATH_SIGNAL, GUEST_DATA), 0);
    return guest_load_32_of(GUEST_DATA);
}

/* What changes an id forgets the signal, and so does what executes as more than its user. */
static void executes_as_another(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(prctl, SET_DEATH_SIGNAL, SIGUSR1), 0);
    executes(0755, false);
    EXPECT_EQ(CALL(setuid, 0), 0);
    EXPECT_EQ(death_signal_of_self(), SIGUSR1);
    EXPECT_EQ(CALL(setresgid, -1ull, 7, 7), 0);
    EXPECT_EQ(death_signal_of_self(), 0);
    EXPECT_EQ(CALL(setresgid, 7, 7, 7), 0);
    EXPECT_EQ(CALL(prctl, SET_DEATH_SIGNAL, SIGUSR1), 0);
    EXPECT_EQ(CALL(setfsuid, 9), 0);
    EXPECT_EQ(death_signal_of_self(), 0);
    EXPECT_EQ(CALL(setresuid, 1000, 1001, 1001), 0);
    EXPECT_EQ(CALL(prctl, SET_DEATH_SIGNAL, SIGUSR1), 0);
    executes(0755, false);
    EXPECT_EQ(CALL(prctl, GET_DUMPABLE), 0);
    EXPECT_EQ(death_signal_of_self(), 0);
    EXPECT_EQ(CALL(setresuid, 1000, 1000, 1000), 0);
    executes(0755, false);
    EXPECT_EQ(CALL(prctl, GET_DUMPABLE), 1);
}

static void gains_program(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(guest_wait((int32_t)guest_fork(gains_with_a_child, 0)), SIGKILL);
    EXPECT_EQ(guest_wait((int32_t)guest_fork(gains_with_a_child, 1)), 0);
    EXPECT_EQ(guest_wait((int32_t)guest_fork(gains_with_a_sharer, 0)), 0);
    EXPECT_EQ(guest_wait((int32_t)guest_fork(gains_with_a_sharer, 1)), 0);
    EXPECT_EQ(guest_wait((int32_t)guest_fork(executes_what_it_may_not_read, 0)), 0);
    EXPECT_EQ(guest_wait((int32_t)guest_fork(executes_as_another, 0)), 0);
}

TEST(what_gains_by_execve_shares_nothing_with_who_did_not)
{
    world_run(gains_program, 0);
}

/* ---- who looks while others execute ---- */

enum { PROGRAMS = 300, SECRET = 0x5ec2e7 };

/* Its next program finds a secret in its memory, which is another user's. */
static void gains_a_secret(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    const uint64_t secret = SECRET;
    struct exec_change change;
    struct cred *cred;
    struct mm *mm;
    bool secure;
    guest_store_32(GUEST_SHARED + 8, (uint32_t)CALL(getpid));
    EXPECT_EQ(cred_for_exec(&(struct program_gifts){ .mode = 04755 }, &cred, &secure), 0);
    EXPECT_EQ(mm_fork(task_self()->mm, &mm), 0);
    EXPECT_EQ(mm_write(mm, GUEST_DATA, &secret, sizeof(secret)), (int64_t)sizeof(secret));
    EXPECT_EQ(task_exec_begin(cred, false, &change), 0);
    task_exec_commit(&change, mm, cred, "program");
}

static void looks_at(int32_t pid)
{
    struct task *task = task_find(pid);
    struct mm *mm;
    if (task == NULL)
        return;
    for (unsigned i = 0; i < 16; i++) {
        uint64_t found = 0;
        if (task_look_mm(task, &mm) != 0)
            continue;
        (void)mm_read(mm, GUEST_DATA, &found, sizeof(found));
        EXPECT(found != SECRET);
        mm_put(mm);
    }
    task_put(task);
}

static void looks(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(setresuid, 1000, 1000, 1000), 0);
    while (guest_load(GUEST_SHARED) == 0) {
        looks_at((int32_t)guest_load_32_of(GUEST_SHARED + 8));
        guest_poll();
    }
}

static void is_executed_and_looked_at(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    guest_store(GUEST_DATA, 0);
    guest_store(GUEST_SHARED, 0);
    int64_t looker = guest_fork(looks, 0);
    EXPECT_EQ(CALL(setresuid, 1000, 1000, 1000), 0);
    EXPECT_EQ(CALL(prctl, 4, 1), 0);
    for (unsigned i = 0; i < PROGRAMS; i++)
        EXPECT_EQ(guest_wait((int32_t)guest_fork(gains_a_secret, 0)), 0);
    guest_store(GUEST_SHARED, 1);
    EXPECT_EQ(guest_wait((int32_t)looker), 0);
}

TEST(who_may_look_at_a_program_does_not_see_the_next)
{
    world_run(is_executed_and_looked_at, 0);
}

/* ---- many at once ---- */

static void lives_a_while(uint64_t seed, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    uint64_t state = seed | 1;
    unsigned turns = (unsigned)(test_random(&state) % 8);
    for (unsigned i = 0; i < turns; i++) {
        switch (test_random(&state) % 5) {
        case 0:
            (void)guest_fork(exits, 0);
            break;
        case 1:
            (void)guest_thread(adds, 1, 1 + i, GUEST_DATA + 8ull * i);
            break;
        case 2:
            (void)CALL(wait4, ANY, 0, WNOHANG, 0);
            break;
        case 3:
            (void)guest_clone(CLONE_VM | CLONE_VFORK | SIGCHLD,
                              GUEST_STACKS + 20 * GUEST_STACK_BYTES, exits, 0);
            break;
        default:
            guest_poll();
        }
    }
    if (test_random(&state) % 3 == 0)
        (void)CALL(kill, (uint64_t)CALL(getpid), SIGKILL);
}

static void makes_many(uint64_t seed, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    uint64_t state = seed;
    unsigned alive = 0;
    for (unsigned i = 0; i < 120; i++) {
        int64_t child = guest_fork(lives_a_while, test_random(&state));
        EXPECT(child > 0);
        alive += child > 0;
        if (test_random(&state) % 4 == 0)
            (void)CALL(kill, (uint64_t)child, test_random(&state) % 2 == 0 ? SIGTERM : SIGKILL);
        while (alive > 6 && CALL(wait4, ANY, 0, 0, 0) > 0)
            alive--;
    }
    int64_t waited;
    while ((waited = CALL(wait4, ANY, 0, 0, 0)) > 0)
        ;
    EXPECT_EQ(waited, -ECHILD);
}

TEST(forks_threads_kills_and_waits_at_random_leave_nothing)
{
    world_run(makes_many, test_seed());
}
