/* The end of the kernel, in an orderly way: the first CPU to panic stops the others, takes the
 * console, and tells all that it can without relying on anything that may be broken. No locks, no
 * allocation. A panic inside the panic says its reason and goes straight to the end; a third one
 * only halts.
 */
#include <arch/backtrace.h>
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/power.h>
#include <base/fmt.h>
#include <base/string.h>
#include <kernel/cmdline.h>
#include <kernel/console.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/symbols.h>
#include <kernel/thread.h>

enum { BACKTRACE_MAX = 32, REASON_MAX = 256 };

static uint32_t panic_owner; /* [A] index + 1 of the first CPU that panicked */

static void print_where(const struct cpu *self)
{
    console_printf("on CPU %u of %u, ", self->index, cpu_count);
    if (self->current != NULL)
        console_printf("current thread %llu\n", (unsigned long long)self->current->object.id);
    else
        console_printf("idle\n");
}

static void print_address(uint64_t address, bool is_return_address)
{
    const char *name;
    uint64_t offset;
    /* A call that never returns may be the last instruction of its function, and its return address
     * belongs to the next one: look at the call.
     */
    uint64_t back = is_return_address ? 1 : 0;
    if (symbol_lookup(address - back, &name, &offset))
        console_printf("  %016llx %s+0x%llx\n", (unsigned long long)address, name,
                       (unsigned long long)(offset + back));
    else
        console_printf("  %016llx ?\n", (unsigned long long)address);
}

static void print_backtrace(const struct kernel_registers *registers)
{
    uint64_t address[BACKTRACE_MAX];
    size_t count = arch_backtrace(registers, address, ARRAY_LEN(address));
    console_printf("backtrace:\n");
    for (size_t i = 0; i < count; i++)
        print_address(address[i], registers == NULL || i > 0);
    if (count == ARRAY_LEN(address))
        console_printf("  ...\n");
}

NORETURN static void panic_end(void)
{
    char action[8];
    if (cmdline_value("panic", action, sizeof(action)) == OK) {
        if (strcmp(action, "exit") == 0)
            arch_exit_emulator(1);
        if (strcmp(action, "reboot") == 0)
            arch_reboot();
    }
    console_printf("halted\n");
    arch_halt();
}

/* Returns how deep this CPU is in panics; never returns on a CPU that came second. */
static uint32_t panic_claim(struct cpu *self)
{
    uint32_t depth = __atomic_add_fetch(&self->in_panic, 1, __ATOMIC_SEQ_CST);
    uint32_t expected = 0;
    if (!__atomic_compare_exchange_n(&panic_owner, &expected, self->index + 1, false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
        expected != self->index + 1)
        arch_halt();
    return depth;
}

NORETURN static void panic_reason(const struct kernel_registers *registers, const char *reason)
{
    struct cpu *self = cpu_self();
    uint32_t depth = panic_claim(self);
    if (depth > 2)
        arch_halt();

    spinlock_disable_for_panic();
    console_seize();
    if (depth == 1)
        arch_stop_others();

    console_printf(depth == 1 ? "\nKERNEL PANIC: %s\n" : "\nPANIC WITHIN THE PANIC: %s\n", reason);
    if (depth == 1) {
        print_where(self);
        arch_registers_print(registers);
        print_backtrace(registers);
    }
    panic_end();
}

void panic_registers(const struct kernel_registers *registers, const char *format, ...)
{
    char reason[REASON_MAX];
    va_list args;
    va_start(args, format);
    format_args(reason, sizeof(reason), format, args);
    va_end(args);
    panic_reason(registers, reason);
}

void assert_failed(const char *expression, const char *file, int line)
{
    panic("assertion failed: %s (%s:%d)", expression, file, line);
}
