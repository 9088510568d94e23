/* User code that tries what it may not, with flags, selectors and pointers that are not what the
 * kernel would wish: the thread dies by the right name or lives on, and the kernel takes no notice.
 */
#include "x86.h"
#include <base/string.h>
#include <kernel/coroutine.h>
#include <kernel/memory.h>
#include <kernel/sched.h>
#include <kernel/test.h>
#include <kernel/thread.h>

#define CODE_AT  0x400000u
#define DATA_AT  0x500000u
#define STACK_AT 0x600000u
#define WAIT_NS  ((uint64_t)20 * 1000 * 1000 * 1000)

extern const char hostile_code_start[], hostile_code_end[];
extern const char hostile_last_page[], hostile_last_page_end[];

struct attempt {
    const char *name;
    const char *code;
    const char *fault; /* NULL: it lives on and ends by itself */
};

#define ATTEMPT(snippet, fault_text)                                                               \
    {                                                                                              \
#snippet, hostile_##snippet, (fault_text)                                                  \
    }
#define DECLARE(snippet) extern const char hostile_##snippet[]

DECLARE(trap_flag);
DECLARE(trap_flag_fault);
DECLARE(nested_task_flag);
DECLARE(alignment_flag);
DECLARE(direction_flag);
DECLARE(io_privilege);
DECLARE(interrupts_off);
DECLARE(port_in);
DECLARE(int3);
DECLARE(int1);
DECLARE(int_nmi);
DECLARE(int_double_fault);
DECLARE(int_page_fault);
DECLARE(int_machine_check);
DECLARE(int_80);
DECLARE(int_timer);
DECLARE(int_ipi);
DECLARE(divide);
DECLARE(sysenter);
DECLARE(sysret);
DECLARE(swapgs);
DECLARE(iret_to_kernel);
DECLARE(far_return_to_kernel);
DECLARE(load_task_register);
DECLARE(load_kernel_selector);
DECLARE(read_msr);
DECLARE(read_performance);
DECLARE(write_xcr0);
DECLARE(debug_register);
DECLARE(store_gdt);
DECLARE(jump_to_kernel);
DECLARE(jump_non_canonical);
DECLARE(read_kernel);
DECLARE(stack_in_kernel);
DECLARE(stack_non_canonical);
DECLARE(gs_base_of_kernel);
DECLARE(load_selectors);
DECLARE(find_selectors);
DECLARE(find_bases);

static const char protection[] = "general protection fault";
/* CPUs, and QEMU, do not agree on the name; it must end by a fault. */
static const char any_fault[] = "any fault";

static const struct attempt attempts[] = {
    ATTEMPT(trap_flag, "debug trap"),
    ATTEMPT(trap_flag_fault, "debug trap"),
    ATTEMPT(nested_task_flag, NULL),
    ATTEMPT(alignment_flag, NULL),
    ATTEMPT(direction_flag, NULL),
    ATTEMPT(io_privilege, protection),
    ATTEMPT(interrupts_off, protection),
    ATTEMPT(port_in, protection),
    ATTEMPT(int3, "breakpoint"),
    ATTEMPT(int1, any_fault),
    ATTEMPT(int_nmi, protection),
    ATTEMPT(int_double_fault, protection),
    ATTEMPT(int_page_fault, protection),
    ATTEMPT(int_machine_check, protection),
    ATTEMPT(int_80, protection),
    ATTEMPT(int_timer, protection),
    ATTEMPT(int_ipi, protection),
    ATTEMPT(divide, "divide error"),
    ATTEMPT(sysenter, any_fault),
    ATTEMPT(sysret, protection),
    ATTEMPT(swapgs, protection),
    ATTEMPT(iret_to_kernel, any_fault),
    ATTEMPT(far_return_to_kernel, any_fault),
    ATTEMPT(load_task_register, protection),
    ATTEMPT(load_kernel_selector, protection),
    ATTEMPT(read_msr, protection),
    ATTEMPT(read_performance, protection),
    ATTEMPT(debug_register, protection),
    ATTEMPT(jump_to_kernel, "page fault (execute)"),
    ATTEMPT(jump_non_canonical, protection),
    ATTEMPT(read_kernel, "page fault (read)"),
    ATTEMPT(stack_in_kernel, "breakpoint"),
    ATTEMPT(stack_non_canonical, any_fault),
    ATTEMPT(load_selectors, NULL),
    ATTEMPT(find_selectors, NULL),
};

static const struct attempt attempt_xcr0 = ATTEMPT(write_xcr0, protection);
static const struct attempt attempt_sgdt = ATTEMPT(store_gdt, protection);
static const struct attempt attempt_bases = ATTEMPT(gs_base_of_kernel, NULL);
static const struct attempt attempt_find_bases = ATTEMPT(find_bases, NULL);

/* ---- One address space and one thread at a time ---- */

/* Map a page with `size_bytes` bytes of `from` at its start. */
static enum status map_copy(struct vspace *vspace, uint64_t at, const char *from, size_t size_bytes,
                            unsigned perm)
{
    struct memory *memory;
    enum status status = memory_create(NULL, PAGE_SIZE, &memory);
    if (status != OK)
        return status;
    status = memory_write(memory, 0, from, size_bytes);
    if (status == OK)
        status = vspace_map(vspace, &(struct map_request){
                                        .memory = memory,
                                        .at = uaddr(at),
                                        .size_bytes = PAGE_SIZE,
                                        .perm = perm,
                                        .limit = perm,
                                    });
    memory_put(memory);
    return status;
}

static struct vspace *make_space(void)
{
    struct vspace *vspace = NULL;
    EXPECT_EQ(vspace_create(NULL, &vspace), OK);
    if (vspace == NULL)
        return NULL;
    size_t size = (size_t)(hostile_code_end - hostile_code_start);
    EXPECT(size <= PAGE_SIZE);
    EXPECT_EQ(map_copy(vspace, CODE_AT, hostile_code_start, size, PERM_READ | PERM_EXECUTE), OK);
    EXPECT_EQ(vspace_reserve(vspace, uaddr(DATA_AT), PAGE_SIZE, PERM_READ | PERM_WRITE), OK);
    EXPECT_EQ(vspace_reserve(vspace, uaddr(STACK_AT), PAGE_SIZE, PERM_READ | PERM_WRITE), OK);
    return vspace;
}

/* Flags with which the kernel was seen to run. */
static uint64_t kernel_flags;

/* Looked at on the way out of the kernel, straight after system calls and interrupts. */
static bool is_dead(void *thread)
{
    uint64_t flags;
    __asm__ volatile("pushfq; pop %0" : "=r"(flags) : : "memory");
    kernel_flags |= flags;
    return thread_is_dead(thread);
}

static const char still_alive[] = "still alive";

/* How it ended; NULL if by itself. */
static const char *run(struct vspace *vspace, uint64_t ip)
{
    struct thread *thread;
    struct cpu_mask here = { .word = { 1 } }; /* where the tests run, and is_dead looks */
    if (thread_create(vspace, NULL, uaddr(ip), uaddr(STACK_AT + PAGE_SIZE), DATA_AT, &thread) != OK)
        return "no memory";
    EXPECT_EQ(sched_set_affinity(thread, &here), OK);
    EXPECT_EQ(thread_start(thread), OK);
    EXPECT_EQ(coroutine_wait(is_dead, thread, clock_now_ns() + WAIT_NS), OK);
    const char *fault = thread->end == THREAD_END_EXIT    ? NULL
                        : thread->end == THREAD_END_FAULT ? thread->fault_name
                                                          : still_alive;
    thread_kill(thread);
    thread_put(thread);
    return fault;
}

static void try(const struct attempt *attempt)
{
    struct vspace *vspace = make_space();
    if (vspace == NULL)
        return;
    const char *fault = run(vspace, CODE_AT + (uint64_t)(attempt->code - hostile_code_start));
    bool good = attempt->fault == any_fault ? fault != NULL && fault != still_alive
                                            : EXPECT_STR(fault, attempt->fault);
    EXPECT(good);
    if (!good)
        test_note("by %s", attempt->name);
    vspace_put(vspace);
}

GUEST_TEST(user_code_cannot_upset_the_kernel)
{
    kernel_flags = 0;
    for (size_t i = 0; i < ARRAY_LEN(attempts); i++)
        try(&attempts[i]);
    EXPECT_EQ(kernel_flags & (X86_FLAGS_TRAP | X86_FLAGS_INTERRUPTS | X86_FLAGS_DIRECTION), 0);
    EXPECT_EQ(kernel_flags & (X86_FLAGS_NESTED | X86_FLAGS_IO_PRIVILEGE), 0);
    EXPECT(!x86_features.smap || (kernel_flags & X86_FLAGS_AC) == 0);
}

GUEST_TEST(user_code_cannot_choose_its_vector_state)
{
    if (!x86_features.xsave)
        SKIP("no XSAVE");
    try(&attempt_xcr0);
}

GUEST_TEST(user_code_cannot_read_table_addresses)
{
    if (!x86_features.umip)
        SKIP("no UMIP");
    try(&attempt_sgdt);
}

GUEST_TEST(user_segment_bases_are_kept_and_are_harmless)
{
    if (!x86_features.fsgsbase)
        SKIP("no FSGSBASE");
    try(&attempt_bases);
    try(&attempt_find_bases);
}

/* The instruction after it would lie at USER_END, and with one page more it would not be canonical.
 */
GUEST_TEST(a_system_call_at_the_end_of_user_space_returns_to_a_fault)
{
    struct vspace *vspace = make_space();
    REQUIRE(vspace != NULL);
    EXPECT_EQ(map_copy(vspace, USER_END - PAGE_SIZE, hostile_last_page, PAGE_SIZE,
                       PERM_READ | PERM_EXECUTE),
              OK);
    EXPECT_EQ(hostile_last_page_end - hostile_last_page, PAGE_SIZE);
    EXPECT_STR(run(vspace, USER_END - 7), "page fault (execute)");
    EXPECT_EQ(map_copy(vspace, USER_END, hostile_last_page, PAGE_SIZE, PERM_READ), ERR_RANGE);
    vspace_put(vspace);
}

static void try_frame(struct vspace *vspace, uint64_t ip, uint64_t vector)
{
    struct thread *thread;
    REQUIRE(thread_create(vspace, NULL, uaddr(CODE_AT), uaddr(0), 0, &thread) == OK);
    thread->frame.rip = ip;
    thread->frame.vector = vector;
    EXPECT_EQ(thread_start(thread), OK);
    EXPECT_EQ(coroutine_wait(is_dead, thread, clock_now_ns() + WAIT_NS), OK);
    EXPECT_EQ(thread->end, THREAD_END_FAULT);
    thread_put(thread);
}

/* Whatever a frame may say: the way back to user mode does not fault in the kernel. */
GUEST_TEST(a_frame_with_a_wild_pointer_faults_in_user_mode)
{
    static const uint64_t wild[] = { USER_END, 0x0000800000000000, 0x1234567890abcdef,
                                     0xffffffff80000000 };
    struct vspace *vspace = make_space();
    REQUIRE(vspace != NULL);
    for (size_t i = 0; i < ARRAY_LEN(wild); i++) {
        try_frame(vspace, wild[i], TRAP_VECTOR_NONE);
        try_frame(vspace, wild[i], TRAP_VECTOR_SYSCALL);
    }
    vspace_put(vspace);
}
