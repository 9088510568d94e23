/* The lock around the serial port, and its seizure by a CPU that panics. */
#include <arch/console.h>
#include <base/fmt.h>
#include <kernel/console.h>
#include <kernel/cpu.h>
#include <kernel/spinlock.h>

enum { PRINT_MAX = 512 };

static struct spinlock console_lock = SPINLOCK_INIT(RANK_CONSOLE);
static uint32_t console_owner; /* [A] index + 1 of the CPU that seized it; 0: nobody */

/* A CPU that was in the middle of a line when another seized the console stops at once. */
static bool may_print(void)
{
    uint32_t owner = READ_ONCE(console_owner);
    return LIKELY(owner == 0) || owner == cpu_self()->index + 1;
}

void console_write(const char *text, size_t size_bytes)
{
    spinlock_acquire(&console_lock);
    for (size_t i = 0; i < size_bytes && may_print(); i++) {
        if (text[i] == '\n')
            arch_console_put('\r');
        arch_console_put(text[i]);
    }
    spinlock_release(&console_lock);
}

void console_printf(const char *format, ...)
{
    char text[PRINT_MAX];
    va_list args;
    va_start(args, format);
    size_t length = format_args(text, sizeof(text), format, args);
    va_end(args);
    console_write(text, MIN(length, sizeof(text) - 1));
}

void console_seize(void)
{
    __atomic_store_n(&console_owner, cpu_self()->index + 1, __ATOMIC_SEQ_CST);
}
