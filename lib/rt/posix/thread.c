/* Threads below musl's pthreads.
 *
 * A thread's number is for musl's locks alone: it is given out once, by counting. musl knows that a
 * thread is gone, and its stack free, when a word becomes 0 and is woken: the word of
 * SET_TID_ADDRESS, or else the list lock, which the leaving thread holds. So the last steps use no
 * stack (rt_cpu_leave).
 */
#include <errno.h>
#include <protocol_supervisor.h>
#include <rt/address.h>
#include <rt/clock.h>
#include <rt/lock.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <rt_arch/cpu.h>
#include <stdarg.h>
#include <stdbool.h>

#include "posix.h"

enum {
    FUTEX_WAIT = 0,
    FUTEX_WAKE = 1,
    FUTEX_REQUEUE = 3,
    FUTEX_PRIVATE = 128,
    LAST_STACK_BYTES = 8192,
};
#define EXIT_TIMEOUT_NS ((uint64_t)5 * 1000 * 1000 * 1000)

/* What a new thread finds at the top of its stack. */
struct thread_start {
    int (*function)(void *);
    void *argument;
};

/* musl's. */
extern volatile int __thread_list_lock;
int __set_thread_area(void *pointer);
int __clone(int (*function)(void *), void *stack, int flags, void *argument, ...);
_Noreturn void __unmapself(void *stack, size_t size_bytes);

/* lib/rt/arch; it calls the other. */
void rt_thread_entry(void);
_Noreturn void rt_thread_begin(const struct thread_start *start);

static int last_number;
static _Thread_local volatile int *cleared_at_exit;

int __set_thread_area(void *pointer)
{
    rt_cpu_set_thread_pointer((uintptr_t)pointer);
    return 0;
}

long posix_set_tid_address(volatile int *address)
{
    cleared_at_exit = address;
    return __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
}

static _Noreturn void leave(volatile int *word)
{
    rt_cpu_leave(word, rt_process(), SYSCALL_address_wake, SYSCALL_thread_exit);
}

_Noreturn void rt_thread_begin(const struct thread_start *start)
{
    struct thread_start own = *start;
    cleared_at_exit = &__thread_list_lock;
    own.function(own.argument);
    posix_thread_exit();
}

static enum status start_thread(void *stack, const struct thread_start *start, void *thread_pointer)
{
    uint64_t thread;
    enum status status = thread_create(
        rt_process(), rt_budget(), (uint64_t)(uintptr_t)rt_thread_entry, (uint64_t)(uintptr_t)stack,
        (uint64_t)(uintptr_t)start, (uint64_t)(uintptr_t)thread_pointer, &thread);
    if (status != OK)
        return status;
    status = thread_control(thread, THREAD_OP_START, 0);
    (void)handle_close(thread); /* it runs on, and nobody else has to name it */
    return status;
}

/* Always with the flags that pthread_create gives. */
int __clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
    va_list more;
    va_start(more, argument);
    int *number = va_arg(more, int *);
    void *thread_pointer = va_arg(more, void *);
    va_end(more);
    (void)flags;

    uintptr_t top = ((uintptr_t)stack - sizeof(struct thread_start)) & ~(uintptr_t)15;
    struct thread_start *start = (struct thread_start *)top;
    *start = (struct thread_start){ .function = function, .argument = argument };
    *number = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
    enum status status = start_thread((void *)top, start, thread_pointer);
    return status == OK ? *number : (int)posix_errno(status);
}

_Noreturn void posix_thread_exit(void)
{
    leave(cleared_at_exit);
}

/* ---- A detached thread frees its own stack, from a stack that they all share in turn. ---- */

static struct rt_lock last_lock;
static unsigned char last_stack[LAST_STACK_BYTES] __attribute__((aligned(16)));
static void *last_at;          /* under last_lock */
static size_t last_size_bytes; /* under last_lock */

/* The thread's local storage goes with its stack, so nothing of it is used here. Whoever takes the
 * lock next does so while this thread may still be between its last two instructions, neither of
 * which uses the stack.
 */
static void unmap_and_leave(void)
{
    (void)space_release(last_at, last_size_bytes);
    __atomic_store_n(&__thread_list_lock, 0, __ATOMIC_RELEASE);
    rt_address_wake((uint32_t *)(uintptr_t)&__thread_list_lock, 1);
    leave((volatile int *)(uintptr_t)&last_lock.state);
}

_Noreturn void __unmapself(void *stack, size_t size_bytes)
{
    rt_lock(&last_lock);
    last_at = stack;
    last_size_bytes = size_bytes;
    rt_cpu_switch_stack(last_stack + sizeof(last_stack), unmap_and_leave);
}

/* ---- Waiting ---- */

static long wait(volatile int *address, int value, const struct timespec *timeout)
{
    switch (
        rt_address_wait((uint32_t *)(uintptr_t)address, (uint32_t)value, posix_deadline(timeout))) {
    case OK:
        return 0;
    case ERR_TIMED_OUT:
        return -ETIMEDOUT;
    case ERR_WOULD_BLOCK:
    case ERR_CANCELLED:
        return -EAGAIN;
    default:
        return -EINVAL;
    }
}

long posix_futex(volatile int *address, int operation, int value, const struct timespec *timeout)
{
    switch (operation & ~FUTEX_PRIVATE) {
    case FUTEX_WAIT:
        return wait(address, value, timeout);
    case FUTEX_WAKE:
        rt_address_wake((uint32_t *)(uintptr_t)address, (uint32_t)value);
        return 0;
    case FUTEX_REQUEUE: /* to wake who could be made to wait elsewhere is allowed, just slower */
        rt_address_wake((uint32_t *)(uintptr_t)address,
                        (uint32_t)value + (uint32_t)(uintptr_t)timeout);
        return 0;
    default:
        return -ENOSYS;
    }
}

/* A process cannot end itself while it runs, so whoever started it does, with all threads that
 * there are. A program that has nobody (init) ends with its last thread; one that is not answered
 * in time by a fault.
 */
_Noreturn void posix_process_exit(int code)
{
    const struct supervisor_end_in end = { .failed = code != 0 };
    uint64_t supervisor = rt_handle(STARTUP_SUPERVISOR);
    posix_flush();
    if (supervisor == 0)
        thread_exit();
    (void)supervisor_call_end(supervisor, clock_deadline(EXIT_TIMEOUT_NS), &end);
    rt_cpu_trap();
}
