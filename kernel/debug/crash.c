/* The crashes of crash.h. Each does what it is named after, by the shortest way. */
#ifdef CONFIG_TESTS
#include <base/string.h>
#include <kernel/cmdline.h>
#include <kernel/crash.h>
#include <kernel/ipi.h>
#include <kernel/log.h>
#include <kernel/panic.h>

/* Out of the compiler's sight, or it would see that none of this can be meant. */
static volatile uintptr_t crash_zero;

static void crash_null_pointer(void)
{
    const volatile uint64_t *pointer = (const volatile uint64_t *)crash_zero;
    crash_zero = *pointer;
}

NOINLINE static uint64_t recurse(uint64_t depth)
{
    volatile uint64_t frame[16];
    frame[0] = depth;
    frame[1] = 0;
    if (crash_zero == 0)
        frame[1] = recurse(depth + 1); /* not a tail call: the result is still needed */
    return frame[0] + frame[1];
}

static void crash_stack_overflow(void)
{
    crash_zero = recurse(0);
}

static void crash_assert(void)
{
    ASSERT(crash_zero != 0);
}

static void panic_here(void *unused)
{
    (void)unused;
    panic("crash=panic-secondary");
}

static void crash_panic_secondary(void)
{
    struct cpu_mask mask = { .word = { 0 } };
    if (cpu_count < 2) {
        log_error("crash=panic-secondary: this machine has one CPU");
        return;
    }
    cpu_mask_set(&mask, 1);
    ipi_call(&mask, panic_here, NULL);
}

/* The panic counts how deep this CPU is; one level is what a fault in its own code would add. */
static void crash_panic_twice(void)
{
    __atomic_store_n(&cpu_self()->in_panic, 1, __ATOMIC_SEQ_CST);
    panic("crash=panic-twice");
}

static const struct {
    const char *name;
    void (*run)(void);
} crashes[] = {
    { "null-pointer", crash_null_pointer },
    { "stack-overflow", crash_stack_overflow },
    { "assert", crash_assert },
    { "panic-secondary", crash_panic_secondary },
    { "panic-twice", crash_panic_twice },
};

void crash_run(void)
{
    char name[32];
    if (cmdline_value("crash", name, sizeof(name)) == OK) {
        for (size_t i = 0; i < ARRAY_LEN(crashes); i++) {
            if (strcmp(crashes[i].name, name) == 0)
                crashes[i].run();
        }
    }
    log_error("crash=: no such crash, or it did not happen");
}
#endif
