/* For tests and benchmarks: a user fixture whose process is a sandbox (tests/sandbox), with a guest
 * in it. Only under CONFIG_TESTS.
 */
#pragma once

#ifdef CONFIG_TESTS
#include <kernel/guest.h>
#include <kernel/user_fixture.h>
#include <test_sandbox.h>

enum { SANDBOX_THREADS = 4 };

#define GUEST_CODE_AT ((uint64_t)0x10000) /* the snippets of guest_code.S */
#define GUEST_DATA_AT ((uint64_t)0x20000) /* one page, and nothing after it */
#define GUEST_LAZY_AT ((uint64_t)0x40000) /* 16 pages on demand, the stack at their end */
#define GUEST_STACK   (GUEST_LAZY_AT + 16 * PAGE_SIZE)

struct sandbox {
    struct user_fixture f;
    struct guest *guest;
    uint64_t handle;
    struct memory *data_memory; /* one page, in its guests at GUEST_DATA_AT */
    void *data;                 /* the same as the kernel sees it */
    struct memory *state_memory[SANDBOX_THREADS];
    struct guest_state *state[SANDBOX_THREADS];
};

extern const char guest_code_start[], guest_code_end[];

/* False, with the test marked as failed, if memory does not suffice. */
bool sandbox_init(struct sandbox *sandbox, unsigned flags);
void sandbox_destroy(struct sandbox *sandbox);
/* Another guest with the same code. The caller gets a reference and a handle. */
bool sandbox_guest(struct sandbox *sandbox, unsigned flags, struct guest **guest_out,
                   uint64_t *handle_out);

/* Map the first page of `memory`, shared with clones. */
enum status sandbox_map(struct vspace *vspace, uint64_t at, struct memory *memory, unsigned perm);

/* The registers of thread `index`: at that snippet. */
struct guest_registers *sandbox_registers(struct sandbox *sandbox, unsigned index,
                                          const char *snippet, uint64_t argument, uint64_t second);
bool sandbox_prepare(struct sandbox *sandbox, unsigned index, enum test_sandbox_function function,
                     uint64_t in_0, uint64_t in_1, uint64_t in_2);
/* Prepare, start, and wait until it is done. */
bool sandbox_run(struct sandbox *sandbox, unsigned index, enum test_sandbox_function function,
                 uint64_t in_0, uint64_t in_1, uint64_t in_2);
/* Enter once, at that snippet; the reason, or 0 if there was an error. */
uint64_t sandbox_enter(struct sandbox *sandbox, const char *snippet, uint64_t argument,
                       uint64_t second);
#endif
