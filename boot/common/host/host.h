/* The loader's core as a Unix process: a third architecture whose physical memory is a block of the
 * process's own, and whose ends are reported instead of reached.
 */
#pragma once

#include <boot/arch.h>
#include <boot/direct.h>

enum host_end { HOST_ENTERED = 1, HOST_STOPPED };

struct host_run {
    enum host_end end;
    char console[512];
    unsigned exit_code; /* of the emulator; 0: it was not asked to end */
    struct handoff handoff;
    unsigned cpus_started;
};

enum { HOST_MEMORY_BYTES = 16 << 20 };
extern uint8_t host_memory[HOST_MEMORY_BYTES];

/* Run boot_main() on `platform`, whose `put` is replaced, until it ends one way or the other. */
void host_boot(struct boot_platform *platform, struct host_run *run_out);
/* The same for anything else that may call boot_fail(). */
void host_try(struct boot_platform *platform, void (*call)(void *context), void *context,
              struct host_run *run_out);

/* CPUs that the machine claims to have; [0] is the one that runs. */
extern struct boot_cpu_list host_cpus;
/* Started CPUs come up unless their id is this. */
extern uint64_t host_dead_cpu;
