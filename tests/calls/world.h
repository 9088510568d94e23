/* A few processes with threads on the simulated machine, and their system calls one at a time: each
 * goes through the kernel's own entry, as often as it asks to be made again.
 */
#pragma once

#include <base/syscall_table.h>
#include <kernel/process.h>
#include <kernel/thread.h>

enum { WORLD_PROCESSES = 3, WORLD_THREADS = 3, WORLD_ARENA_PAGES = 4 };

/* Mapped in each process: pages to read and write, then one that is only read. */
#define WORLD_ARENA_AT ((uint64_t)0x20000000)

struct world_process {
    struct process *process; /* borrowed: it is its own until it ends */
    struct thread *thread[WORLD_THREADS];
    char *arena; /* as the kernel sees it */
    struct memory *memory;
};

struct world {
    struct budget *root; /* pays for everything, each process by a budget of its own */
    struct world_process process[WORLD_PROCESSES];
    uint64_t now_ns;
    uint64_t threads_before;
};

enum call_end {
    CALL_RETURNED,
    CALL_BLOCKED, /* the thread waits */
    CALL_DIED,    /* the thread is no more */
};

struct call_result {
    enum call_end end;
    enum status status;
    uint64_t value;
};

/* False, and a failed test, if that does not work. */
bool world_begin(struct world *world);
/* Destroys everything; what must be at zero is looked at. */
void world_end(struct world *world);
/* A budget below the root, a process that it pays for, with its threads. */
bool world_start_process(struct world *world, unsigned index);
/* Its threads are dead, by whatever way: forget it. */
void world_forget_process(struct world *world, unsigned index);

static inline bool world_alive(const struct world *world, unsigned index)
{
    return world->process[index].process != NULL;
}

/* What is called before each attempt, when the call is made again too (NULL: nothing). */
struct call_result world_call(struct world *world, struct thread *thread, uint64_t number,
                              const uint64_t words[6], void (*before)(void));
/* One thread is killed, and another takes its place. */
void world_replace_thread(struct world *world, unsigned process, unsigned index);
/* Calls that are to be made once more are, by whichever threads. All CPUs take their interrupts
 * until nothing is left to do, and grace periods are over. */
void world_settle(struct world *world);
