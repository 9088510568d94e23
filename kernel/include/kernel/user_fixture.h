/* For tests: an address space with the user test program in it, and threads that do what it offers
 * (abi/test_guest.h). Only under CONFIG_TESTS, only inside the coroutine.
 */
#pragma once

#ifdef CONFIG_TESTS
#include <base/status.h>
#include <kernel/process.h>
#include <kernel/thread.h>
#include <kernel/vspace.h>
#include <test_guest.h>

struct user_fixture {
    struct budget *budget;                     /* of its own, without limits */
    struct process *process;                   /* what the threads run in */
    struct vspace *vspace;                     /* the process's */
    struct memory *shared;                     /* the command blocks */
    struct test_guest_command *command;        /* TEST_GUEST_THREADS of them */
    struct thread *thread[TEST_GUEST_THREADS]; /* NULL: none */
};

/* False, with the test marked as failed, if memory does not suffice. */
bool user_fixture_init(struct user_fixture *fixture);
/* Kills what still runs, waits for it, and gives everything back. */
void user_fixture_destroy(struct user_fixture *fixture);

/* Make a thread, in place `index`, that will run `function`; fill command[index].in before it
 * starts. */
bool user_prepare(struct user_fixture *fixture, unsigned index, enum test_guest_function function);
/* Start it. */
void user_start(struct user_fixture *fixture, unsigned index);
/* user_prepare with two arguments and user_start at once. */
bool user_run(struct user_fixture *fixture, unsigned index, enum test_guest_function function,
              uint64_t in_0, uint64_t in_1);
/* Only on CPU `cpu`; before or after the start. */
void user_pin(struct user_fixture *fixture, unsigned index, uint32_t cpu);

/* Each waits up to ten seconds of guest time; a time-out fails the test and returns false. */
bool user_wait_dead(struct user_fixture *fixture, unsigned index);
bool user_wait_started(struct user_fixture *fixture, unsigned index);
bool user_wait_count(struct user_fixture *fixture, unsigned index, uint64_t at_least);
/* Let the machine run for a while. */
void user_let_run_ns(uint64_t duration_ns);

/* A thread makes one system call and ends; the status, and the value if that is asked for. It runs
 * in the last place. Arguments that are not given are 0.
 */
#define user_call(fixture, number, value_out, ...)                                                 \
    user_call_words(fixture, number, value_out, (const uint64_t[6]){ __VA_ARGS__ })
enum status user_call_words(struct user_fixture *fixture, uint64_t number, uint64_t *value_out,
                            const uint64_t words[6]);
/* A page that user mode reads and writes at TEST_GUEST_ARENA_AT, as the kernel sees it; NULL if
 * there is no memory. It goes with the fixture.
 */
void *user_map_arena(struct user_fixture *fixture);
/* A capability for `object` in the process's table; 0 and a failed test if that cannot be. */
uint64_t user_give(struct user_fixture *fixture, struct object *object, uint32_t rights);

static inline uint64_t user_count(const struct user_fixture *fixture, unsigned index)
{
    return READ_ONCE(fixture->command[index].count);
}

static inline void user_stop(struct user_fixture *fixture, unsigned index)
{
    WRITE_ONCE(fixture->command[index].stop, 1);
}
#endif
