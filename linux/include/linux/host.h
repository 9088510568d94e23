/* For tests on the development machine: what stands in for a guest's program.
 *
 * Memory objects are files without a name (memfd), so they are as sparse as the real ones; a
 * guest's memory is only reached through its mappings, whose rights are checked. A virtual CPU is a
 * POSIX thread. Entering a guest calls the program below, which is C: it looks at the registers in
 * the state page, may use guest_copy_in and guest_copy_out as what the guest's own instructions do,
 * sets the registers of a system call, and says why it stopped.
 */
#pragma once

#include <linux/machine.h>

/* A GUEST_REASON_. Any vcpu's thread calls it. */
typedef int host_program(struct vcpu *vcpu, struct guest_state *state);
void host_set_program(host_program *program);

/* As the instructions of a guest would: an access, with the right for it. Bytes not copied. */
size_t host_guest_read(struct guest_space *space, void *to, uint64_t from, size_t size_bytes);
size_t host_guest_write(struct guest_space *space, uint64_t to, const void *from,
                        size_t size_bytes);
/* May an instruction be fetched there? */
bool host_guest_executable(struct guest_space *space, uint64_t at);
/* The space that the calling thread is attached to. */
struct guest_space *host_space_self(void);

/* Until every thread that vcpu_start began has ended. */
void host_wait_for_threads(void);

/* What exists now, for comparison before and after a test. */
struct host_counts {
    uint64_t memories, spaces, mappings, vcpus;
};
struct host_counts host_counts(void);

/* The next allocation or commit of guest memory number `n` fails (1 is the next); 0: none. */
void host_memory_fail_after(uint64_t n);
/* Pages cannot be given back from now on. */
void host_clear_fails(bool fails);
/* Time goes on by itself; this adds to it. */
void host_advance_clock(uint64_t ns);
