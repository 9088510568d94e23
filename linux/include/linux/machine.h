/* What the personality needs of the system below it: threads, guests and their memory, waiting,
 * time, randomness, the log. linux/machine/native does it with ThemeliOS's system calls;
 * linux/machine/host with a process of the development machine and a fake guest, for tests.
 *
 * Errors are Linux's, negative.
 */
#pragma once

#include <guest.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MACHINE_PAGE = 4096 };

/* ---- Memory objects ---- */

/* A Memory capability, counted: mappings keep it. */
struct memory {
    uint64_t handle;
    uint64_t size_bytes;
    uint32_t references; /* atomic */
    void *host;          /* machine/host only */
};

/* Zeroed when touched, paid by the container's budget then. Who touches a page that the budget
 * cannot pay for is ended: for a guest's access that is a fault that we handle (mm_fault), but
 * before the personality touches a page itself it makes it with memory_commit. */
int memory_allocate(uint64_t size_bytes, struct memory **memory_out);
/* A private copy of a part, page by page when one of the two is written to. */
int memory_snapshot(struct memory *source, uint64_t offset, uint64_t size_bytes,
                    struct memory **memory_out);
/* The pages of the range are there afterwards: 0, or -ENOMEM and perhaps a part of them is. */
int memory_commit(struct memory *memory, uint64_t offset, uint64_t size_bytes);
/* A capability that the sandbox was given (a layer); the handle is now the structure's. */
int memory_adopt(uint64_t handle, uint64_t size_bytes, struct memory **memory_out);
/* Pages go back to the budget and read as zero again. -ENOMEM: they stay as they are, since a fork
 * shares them and there is no memory left to part them. */
int memory_clear(struct memory *memory, uint64_t offset, uint64_t size_bytes);
uint64_t memory_resident(struct memory *memory); /* bytes of pages that are there */
struct memory *memory_get(struct memory *memory);
void memory_put(struct memory *memory);

enum machine_access {
    MACHINE_READ = 1,
    MACHINE_WRITE = 2,
    MACHINE_EXECUTE = 4,
    MACHINE_SHARED = 8, /* a fork shows the same pages, not a copy of them */
    MACHINE_FILL = 16,  /* fill the page tables with what is there already */
};

/* Into the personality's own half. */
int machine_map(struct memory *memory, uint64_t offset, uint64_t size_bytes, uint32_t access,
                void **at_out);
void machine_unmap(void *at, uint64_t size_bytes);

/* ---- Guests: the address spaces of Linux processes ---- */

struct guest_space;

/* Guests that are made from now on: fused ones share a root of page tables with the personality. */
void machine_set_fused(bool fused);
int guest_space_create(struct guest_space **space_out);
/* Into an empty one: what `source` has, until one of the two writes to it. */
int guest_space_fork_into(struct guest_space *source, struct guest_space *copy);
/* Nobody may be in it any more. */
void guest_space_destroy(struct guest_space *space);
/* Addresses and sizes are whole pages below GUEST_END. The caller keeps `memory` as long as it is
 * mapped somewhere, in copies by fork of shared mappings too. Something may be mapped there: it is
 * replaced. */
int guest_space_map(struct guest_space *space, uint64_t at, struct memory *memory, uint64_t offset,
                    uint64_t size_bytes, uint32_t access);
int guest_space_unmap(struct guest_space *space, uint64_t at, uint64_t size_bytes);
/* Holes in the range are passed over. Access 0: nothing may be done, and the contents stay. */
int guest_space_protect(struct guest_space *space, uint64_t at, uint64_t size_bytes,
                        uint32_t access);

/* ---- CPUs: a native thread each, and the Linux thread that it runs ---- */

struct vcpu; /* begins with a vcpu_head */

struct vcpu_head {
    struct guest_state *state;
    void *owner; /* the Linux thread's structure, set by it; NULL from vcpu_create */
};

/* The calling thread's. */
struct vcpu *vcpu_self(void);
struct guest_state *vcpu_state(struct vcpu *vcpu);
/* A thread that will call run(argument); it does not run until vcpu_start. Its vector registers are
 * those that `like` has now (the caller's own, or NULL for those of a new program). */
int vcpu_create(void (*run)(void *argument), void *argument, struct vcpu *like,
                struct vcpu **vcpu_out);
void vcpu_start(struct vcpu *vcpu);
/* Frees what vcpu_create made, when it was never started. */
void vcpu_discard(struct vcpu *vcpu);
/* End the calling thread; its memory is freed by the next that is created. */
_Noreturn void vcpu_exit(void);
/* Run the guest in `space` with the registers of the state page until it needs us: a GUEST_REASON_,
 * or an error. */
int vcpu_enter(struct vcpu *vcpu, struct guest_space *space);
/* Make it come back, now or from its next entry. Any thread may. */
void vcpu_kick(struct vcpu *vcpu);
/* The guest's memory is `space`'s now, also for copies, before the first entry. */
int vcpu_attach(struct vcpu *vcpu, struct guest_space *space);
/* Vector registers, as the signal frame has them: XSAVE's standard form, or the fpsimd_context's
 * registers. */
size_t vcpu_vector_size(void);
void vcpu_vector_save(void *area);
/* `area` may hold anything: what the CPU would refuse is made harmless first. */
void vcpu_vector_load(void *area);
void vcpu_vector_reset(void);

/* The guest's memory, of the space that this thread is attached to. Bytes NOT copied: 0 is success.
 * The only way to touch it. */
size_t guest_copy_in(void *to, uint64_t from, size_t size_bytes);
size_t guest_copy_out(uint64_t to, const void *from, size_t size_bytes);
/* Atomic on one aligned word: 0, or -EFAULT. */
int guest_load_32(uint64_t at, uint32_t *value_out);
/* `*old_out` is what was there; it was exchanged if that is `expected`. */
int guest_compare_exchange_32(uint64_t at, uint32_t expected, uint32_t desired, uint32_t *old_out);

/* ---- What the sandbox was given, by name (abi/container.h) ---- */

/* 0: nothing of that name. */
uint64_t machine_given(const char *name);
/* Memory of (at least) that size; -ENOENT. */
int machine_given_memory(const char *name, uint64_t size_bytes, struct memory **memory_out);
/* Bits of a Notification: set them; take any, or wait for them until the deadline. */
void machine_signal(uint64_t notification, uint64_t bits);
uint64_t machine_wait_signal(uint64_t notification, uint64_t deadline_ns);

/* ---- Waiting, time, randomness, the log ---- */

#define MACHINE_NEVER UINT64_MAX

/* Sleep while *word is `expected`, until woken or the deadline (machine_now_ns) passes. May come
 * back for no reason. */
void machine_wait(uint32_t *word, uint32_t expected, uint64_t deadline_ns);
void machine_wake(uint32_t *word, uint32_t count);
void machine_yield(void);                 /* the CPU, to whoever waits for it */
uint64_t machine_now_ns(void);            /* since boot */
uint64_t machine_time_of_day_ns(void);    /* since 1970; since boot where that is not known */
int64_t machine_realtime_offset_ns(void); /* what added to it is the time since 1970 */
/* What programs need to read the time themselves (linux/vdso.h); false: they cannot here. */
struct machine_vdso {
    const void *image;
    size_t size_bytes;
    uint64_t counter_base, ns_per_count;
};
bool machine_vdso(struct machine_vdso *vdso_out);
uint64_t machine_cpu_ns(struct vcpu *vcpu); /* that the thread has run */
unsigned machine_cpu_count(void);
/* The container's limit, and what of it is free. */
void machine_memory(uint64_t *total_bytes_out, uint64_t *free_bytes_out);
void machine_random(void *to, size_t size_bytes);
/* Where lines for the operator go; before, nowhere (on the host: to the test's output). */
void machine_set_log(void (*sink)(const char *text, size_t length));
/* A line for the operator: never a guest's bytes unfiltered. */
void machine_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The personality contradicts itself: the container ends. */
_Noreturn void machine_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
