/* The serial shell. The interrupt handler only edits the line; a finished one is carried out in the
 * coroutine, where it may wait and take its time, one at a time.
 */
#ifdef CONFIG_SHELL
#include "shell_line.h"
#include <arch/console.h>
#include <arch/power.h>
#include <base/string.h>
#include <kernel/cmdline.h>
#include <kernel/console.h>
#include <kernel/coroutine.h>
#include <kernel/cpu.h>
#include <kernel/frame.h>
#include <kernel/irq.h>
#include <kernel/kmap.h>
#include <kernel/log_ring.h>
#include <kernel/panic.h>
#include <kernel/shell.h>
#include <kernel/slab.h>
#include <kernel/thread.h>
#ifdef CONFIG_TESTS
#include <kernel/test.h>
#endif

enum { WORDS_MAX = 4, PEEK_DEFAULT = 64, PEEK_MAX = 4096 };

static struct shell_line shell_line;
static char shell_command[SHELL_LINE_MAX]; /* what the coroutine is working on */

typedef unsigned long long ull; /* what %llu takes */

static void prompt(void)
{
    console_printf("> ");
}

/* ---- Commands ---- */

static void command_mem(size_t count, char **word)
{
    (void)count;
    (void)word;
    struct frame_stats stats = frame_stats();
    console_printf("frames: %llu, free %llu (in CPU caches %llu), used %llu\n", (ull)stats.total,
                   (ull)stats.free, (ull)stats.cached, (ull)(stats.total - stats.free));
    console_printf("largest free block: order %llu\n", (ull)stats.largest_order);
}

static void command_cpus(size_t count, char **word)
{
    (void)count;
    (void)word;
    for (uint32_t i = 0; i < cpu_count; i++) {
        const struct cpu *cpu = cpu_get(i);
        console_printf("%u: id 0x%llx %s, ready %u, switches %llu, interrupts %llu, syscalls %llu, "
                       "migrations %llu, cross calls %llu, idle %llu ms\n",
                       i, (ull)cpu->hardware_id, READ_ONCE(cpu->online) != 0 ? "online" : "offline",
                       READ_ONCE(cpu->queue.ready_count), (ull)READ_ONCE(cpu->switches),
                       (ull)READ_ONCE(cpu->interrupts), (ull)READ_ONCE(cpu->syscalls),
                       (ull)READ_ONCE(cpu->migrations), (ull)READ_ONCE(cpu->cross_calls_served),
                       (ull)(READ_ONCE(cpu->idle_ns) / 1000000));
    }
}

static void print_thread(const struct thread *thread, void *context)
{
    static const char *const state_name[] = { "new",     "ready",     "running",
                                              "blocked", "suspended", "dead" };
    (void)context;
    console_printf("%llu: %s, priority %u, CPU %u, ran %llu us%s%s\n", (ull)thread->object.id,
                   state_name[thread->state], thread->priority,
                   thread->cpu != NULL ? thread->cpu->index : 0, (ull)(thread->run_ns / 1000),
                   thread->fault_name != NULL ? ", fault: " : "",
                   thread->fault_name != NULL ? thread->fault_name : "");
}

static void command_threads(size_t count, char **word)
{
    (void)count;
    (void)word;
    thread_for_each(print_thread, NULL);
    console_printf("%llu threads\n", (ull)thread_count());
}

static void command_log(size_t count, char **word)
{
    static const char *const level_name[] = { "error", "warn", "info", "debug" };
    (void)count;
    (void)word;
    struct log_record record;
    uint64_t next = 0;
    while (log_read(next, &record)) {
        if (record.sequence != next)
            console_printf("(%llu lines lost)\n", (ull)(record.sequence - next));
        console_printf("%llu %s: %s\n", (ull)record.sequence, level_name[record.level],
                       record.text);
        next = record.sequence + 1;
    }
}

static void print_slab(const struct slab_cache *cache, void *context)
{
    (void)context;
    console_printf("%s: %zu bytes, used %llu, slabs %llu of %u objects\n", cache->name,
                   cache->object_size_bytes, (ull)READ_ONCE(cache->used_count),
                   (ull)READ_ONCE(cache->slab_count), cache->slab_capacity);
}

static void command_slabs(size_t count, char **word)
{
    (void)count;
    (void)word;
    slab_for_each(print_slab, NULL);
}

static void command_irqs(size_t count, char **word)
{
    (void)count;
    (void)word;
    for (unsigned line = 0; line < IRQ_MAX; line++) {
        if (irq_count(line) != 0)
            console_printf("line %u: %llu\n", line, (ull)irq_count(line));
    }
}

static bool number(const char *text, uint64_t *value_out)
{
    if (cmdline_parse_number(text, strlen(text), value_out) == OK)
        return true;
    console_printf("%s: not a number\n", text);
    return false;
}

/* Reading a register may change the device, so only RAM is shown. Kernel half only. */
static bool may_peek(uint64_t address)
{
    paddr_t pa;
    unsigned perm;
    return address > USER_END && kmap_query(vaddr(address), &pa, &perm) == OK &&
           (perm & PERM_DEVICE) == 0;
}

/* Up to 16 bytes; false at the first that cannot be read. */
static bool peek_line(uint64_t address, uint64_t size)
{
    char text[17] = "";
    for (uint64_t i = 0; i < size; i++) {
        if (!may_peek(address + i)) {
            console_printf("%s%016llx: not readable RAM\n", i > 0 ? "\n" : "", (ull)(address + i));
            return false;
        }
        unsigned char byte = *(const volatile unsigned char *)(uintptr_t)(address + i);
        if (i == 0)
            console_printf("%016llx:", (ull)address);
        console_printf(" %02x", byte);
        text[i] = (char)(byte >= ' ' && byte < 0x7f ? byte : '.');
    }
    console_printf("  %s\n", text);
    return true;
}

static void command_peek(size_t count, char **word)
{
    uint64_t address;
    uint64_t size = PEEK_DEFAULT;
    if (count < 2) {
        console_printf("peek ADDRESS [BYTES]\n");
        return;
    }
    if (!number(word[1], &address) || (count > 2 && !number(word[2], &size)))
        return;
    size = MIN(size, (uint64_t)PEEK_MAX);
    size = MIN(size, UINT64_MAX - address);
    for (uint64_t at = 0; at < size; at += 16) {
        if (!peek_line(address + at, MIN(size - at, (uint64_t)16)))
            return;
    }
}

#ifdef CONFIG_TESTS
static void command_tests(size_t count, char **word)
{
    if (test_run(count > 1 ? word[1] : "all") < 0)
        console_printf("no test matches\n");
}

static void command_bench(size_t count, char **word)
{
    bench_run(count > 1 ? word[1] : "all");
}
#endif

static void command_reboot(size_t count, char **word)
{
    (void)count;
    (void)word;
    arch_reboot();
    console_printf("this machine cannot reboot\n");
}

static void command_poweroff(size_t count, char **word)
{
    (void)count;
    (void)word;
    arch_power_off();
    console_printf("this machine cannot power off\n");
}

NORETURN static void command_panic(size_t count, char **word)
{
    (void)count;
    (void)word;
    panic("asked for at the shell");
}

static void command_help(size_t count, char **word);

static const struct {
    const char *name;
    const char *help;
    void (*run)(size_t count, char **word);
} commands[] = {
    { "help", "this list", command_help },
    { "mem", "page frames", command_mem },
    { "cpus", "CPUs and their counters", command_cpus },
    { "threads", "every thread", command_threads },
    { "log", "the log ring", command_log },
    { "peek", "ADDRESS [BYTES]: kernel memory", command_peek },
    { "slabs", "object caches", command_slabs },
    { "irqs", "interrupt lines that were ever raised", command_irqs },
#ifdef CONFIG_TESTS
    { "tests", "[PATTERN]: run tests", command_tests },
    { "bench", "[PATTERN]: run benchmarks", command_bench },
#endif
    { "reboot", "restart the machine", command_reboot },
    { "poweroff", "switch the machine off", command_poweroff },
    { "panic", "stop the kernel, with a report", command_panic },
};

static void command_help(size_t count, char **word)
{
    (void)count;
    (void)word;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        console_printf("%-10s%s\n", commands[i].name, commands[i].help);
}

/* ---- From characters to commands ---- */

/* Cut the text into words in place; further ones stay in the last. */
static size_t split(char *text, char **word)
{
    size_t count = 0;
    for (;;) {
        while (*text == ' ')
            *text++ = '\0';
        if (*text == '\0' || count == WORDS_MAX)
            return count;
        word[count++] = text;
        while (*text != '\0' && *text != ' ')
            text++;
    }
}

static void run_command(void *unused)
{
    char *word[WORDS_MAX];
    size_t count = split(shell_command, word);
    size_t i = 0;
    (void)unused;
    while (count > 0 && i < ARRAY_LEN(commands) && strcmp(commands[i].name, word[0]) != 0)
        i++;
    if (i == ARRAY_LEN(commands))
        console_printf("%s: no such command; try help\n", word[0]);
    else if (count > 0)
        commands[i].run(count, word);
    prompt();
}

static void start_command(void)
{
    enum status status = coroutine_start(run_command, NULL);
    if (status == OK) {
        /* Only now is the last command done with it; the new one begins at the kernel exit. */
        strlcpy(shell_command, shell_line.text, sizeof(shell_command));
        return;
    }
    console_printf("not now: %s\n", status_text(status));
    prompt();
}

static void receive(void *context)
{
    (void)context;
    for (int c = arch_console_get(); c >= 0; c = arch_console_get()) {
        switch (shell_line_feed(&shell_line, (char)c)) {
        case SHELL_LINE_DONE:
            start_command();
            break;
        case SHELL_LINE_CANCELLED:
            prompt();
            break;
        case SHELL_LINE_NONE:
            break;
        }
    }
}

void shell_start(void)
{
    shell_line_init(&shell_line, console_write);
    arch_console_receive(receive);
    /* No prompt before the first line: tests print next, and theirs must begin a line. */
    console_printf("debug flavour: this line has a shell, try help\n");
}
#endif
