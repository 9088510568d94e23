/* Virtual CPUs are threads; time, randomness and waiting are Linux's. */
#define _GNU_SOURCE
#include <base/status.h>
#include <limits.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <rt/address.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host_impl.h"

enum { FUTEX_WAIT_BITSET = 9, FUTEX_WAKE = 1, FUTEX_PRIVATE = 128, VECTOR_BYTES = 512 };
#define NS_PER_S ((uint64_t)1000000000)

static _Thread_local struct vcpu *self;
static _Thread_local unsigned char vector[VECTOR_BYTES];
static host_program *guest_program; /* atomic */
static uint64_t clock_skew_ns;      /* atomic */
/* The CPU of a thread that nobody made with vcpu_create, such as the tests' own. */
static _Thread_local struct vcpu first;
static _Thread_local struct guest_state first_state;

struct vcpu *vcpu_self(void)
{
    if (self == NULL) {
        first.head.state = &first_state;
        self = &first;
    }
    return self;
}

struct guest_state *vcpu_state(struct vcpu *vcpu)
{
    return vcpu->head.state;
}

struct guest_space *host_space_self(void)
{
    return vcpu_self()->space;
}

void host_set_program(host_program *program)
{
    __atomic_store_n(&guest_program, program, __ATOMIC_RELEASE);
}

int vcpu_create(void (*run)(void *argument), void *argument, struct vcpu *like,
                struct vcpu **vcpu_out)
{
    struct vcpu *vcpu = heap_alloc(sizeof(*vcpu));
    struct guest_state *state = heap_alloc(sizeof(*state));
    if (vcpu == NULL || state == NULL) {
        heap_free(vcpu);
        heap_free(state);
        return -ENOMEM;
    }
    (void)like;
    *vcpu = (struct vcpu){ .head.state = state, .run = run, .argument = argument };
    host_count(&host_now.vcpus, 1);
    *vcpu_out = vcpu;
    return 0;
}

void vcpu_discard(struct vcpu *vcpu)
{
    heap_free(vcpu->head.state);
    heap_free(vcpu);
    host_count(&host_now.vcpus, -1);
}

static void *begin(void *argument)
{
    self = argument;
    self->run(self->argument);
    vcpu_exit();
}

void vcpu_start(struct vcpu *vcpu)
{
    pthread_t thread;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &detached, begin, vcpu) != 0)
        machine_panic("no thread");
    pthread_attr_destroy(&detached);
}

_Noreturn void vcpu_exit(void)
{
    vcpu_discard(vcpu_self());
    self = NULL;
    pthread_exit(NULL);
}

void host_wait_for_threads(void)
{
    const struct timespec moment = { .tv_nsec = 200000 };
    while (__atomic_load_n(&host_now.vcpus, __ATOMIC_ACQUIRE) != 0)
        (void)nanosleep(&moment, NULL);
}

int vcpu_enter(struct vcpu *vcpu, struct guest_space *space)
{
    vcpu->space = space;
    if (__atomic_exchange_n(&vcpu->kicked, 0, __ATOMIC_ACQ_REL) != 0) {
        vcpu->head.state->reason = GUEST_REASON_KICK;
        return GUEST_REASON_KICK;
    }
    host_program *program = __atomic_load_n(&guest_program, __ATOMIC_ACQUIRE);
    if (program == NULL)
        machine_panic("there is no guest program");
    int reason = program(vcpu, vcpu->head.state);
    vcpu->head.state->reason = (uint64_t)reason;
    return reason;
}

void vcpu_kick(struct vcpu *vcpu)
{
    __atomic_store_n(&vcpu->kicked, 1, __ATOMIC_RELEASE);
}

int vcpu_attach(struct vcpu *vcpu, struct guest_space *space)
{
    vcpu->space = space;
    return 0;
}

size_t vcpu_vector_size(void)
{
    return VECTOR_BYTES;
}

void vcpu_vector_save(void *area)
{
    memcpy(area, vector, sizeof(vector));
}

void vcpu_vector_load(void *area)
{
    memcpy(vector, area, sizeof(vector));
}

void vcpu_vector_reset(void)
{
    memset(vector, 0, sizeof(vector));
}

/* ---- Waiting, time, randomness, the log ---- */

static struct timespec to_timespec(uint64_t ns)
{
    return (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t skew_ns(void)
{
    return __atomic_load_n(&clock_skew_ns, __ATOMIC_RELAXED);
}

void machine_wait(uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
    struct timespec deadline;
    const struct timespec *limit = NULL;
    if (deadline_ns != MACHINE_NEVER) {
        deadline = to_timespec(deadline_ns > skew_ns() ? deadline_ns - skew_ns() : 0);
        limit = &deadline;
    }
    (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE, expected, limit, NULL,
                  UINT32_MAX);
}

void machine_wake(uint32_t *word, uint32_t count)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE,
                  count > INT_MAX ? INT_MAX : (int)count, NULL, NULL, 0);
}

void machine_yield(void)
{
    (void)sched_yield();
}

/* For lib/rt/lock.c. */
enum status rt_address_wait(uint32_t *address, uint32_t expected, uint64_t deadline_ns)
{
    machine_wait(address, expected, deadline_ns);
    return OK;
}

void rt_address_wake(uint32_t *address, uint32_t count)
{
    machine_wake(address, count);
}

uint64_t machine_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC) + skew_ns();
}

void host_advance_clock(uint64_t ns)
{
    (void)__atomic_fetch_add(&clock_skew_ns, ns, __ATOMIC_RELAXED);
}

uint64_t machine_time_of_day_ns(void)
{
    return clock_ns(CLOCK_REALTIME) + skew_ns();
}

int64_t machine_realtime_offset_ns(void)
{
    return (int64_t)(clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC));
}

bool machine_vdso(struct machine_vdso *vdso_out)
{
    (void)vdso_out;
    return false;
}

uint64_t machine_cpu_ns(struct vcpu *vcpu)
{
    (void)vcpu;
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

unsigned machine_cpu_count(void)
{
    return 2;
}

void machine_memory(uint64_t *total_bytes_out, uint64_t *free_bytes_out)
{
    *total_bytes_out = 1ull << 30;
    *free_bytes_out = 1ull << 29;
}

void machine_random(void *to, size_t size_bytes)
{
    while (size_bytes > 0) {
        ssize_t got = getrandom(to, size_bytes > 256 ? 256 : size_bytes, 0);
        if (got <= 0)
            machine_panic("no randomness");
        to = (char *)to + got;
        size_bytes -= (size_t)got;
    }
}

void machine_set_log(void (*sink)(const char *text, size_t length))
{
    (void)sink; /* lines are part of the test's output */
}

void machine_log(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("# linux: ", stdout);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

_Noreturn void machine_panic(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("linux: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}
