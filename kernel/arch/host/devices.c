/* Console, clock, timer, interrupts and power of the simulated machine. */
#include <arch/backtrace.h>
#include <arch/console.h>
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/power.h>
#include <arch/simulation.h>
#include <arch/timer.h>
#include <arch/trap.h>
#include <kernel/console.h>
#include <kernel/cpu.h>
#include <kernel/ipi.h>
#include <kernel/trap.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t clock_ns = 1;

void arch_console_put(char c)
{
    putchar(c);
}

uint64_t arch_clock_ns(void)
{
    return clock_ns;
}

bool arch_cpu_random(void)
{
    return false;
}

void simulation_clock_set(uint64_t now_ns)
{
    clock_ns = now_ns;
}

void arch_timer_set(uint64_t deadline_ns)
{
    cpu_self()->arch.timer_ns = deadline_ns;
}

uint64_t simulation_timer(uint32_t cpu_index)
{
    return cpu_get(cpu_index)->arch.timer_ns;
}

void arch_clock_scale(uint64_t *base_out, uint64_t *ns_per_count_out)
{
    *base_out = 0;
    *ns_per_count_out = BIT64(32);
}

uint64_t arch_cycle_count(void)
{
    return clock_ns;
}

/* Lines: odd ones are edges unless told otherwise. */
static bool line_open[IRQ_MAX];

enum status arch_irq_configure(unsigned line, enum irq_trigger trigger, bool *edge_out)
{
    line_open[line] = false;
    *edge_out =
        trigger == IRQ_TRIGGER_FIRMWARE ? line % 2 == 1 : trigger <= IRQ_TRIGGER_EDGE_FALLING;
    return OK;
}

void arch_irq_enable(unsigned line)
{
    line_open[line] = true;
}

void arch_irq_disable(unsigned line)
{
    line_open[line] = false;
}

bool simulation_line_open(unsigned line)
{
    return line_open[line];
}

void arch_irq_raise(unsigned line)
{
    if (line_open[line])
        trap_irq(line);
}

enum status arch_irq_message(unsigned line, uint64_t *address_out, uint64_t *data_out)
{
    if (line < IRQ_MESSAGE_FIRST)
        return ERR_UNSUPPORTED;
    *address_out = SIMULATION_KEPT_PAGE;
    *data_out = line;
    return OK;
}

/* Others do not run while this CPU does, so their part is done for them, in their name. */
void arch_ipi_send(struct cpu *cpu)
{
    struct cpu *self = cpu_self();

    cpu->arch.ipi_pending = 1;
    arch_cpu_set_self(cpu);
    ipi_poll();
    arch_cpu_set_self(self);
}

void arch_stop_others(void) {}

void arch_reboot(void)
{
    exit(EXIT_FAILURE);
}

void arch_power_off(void)
{
    exit(EXIT_SUCCESS);
}

void arch_exit_emulator(unsigned code)
{
    exit((int)code);
}

/* A panic ends here: the sanitizers' report of an abort shows how it came to it. */
void arch_halt(void)
{
    fflush(stdout);
    abort();
}

void arch_registers_print(const struct kernel_registers *registers)
{
    (void)registers;
}

size_t arch_backtrace(const struct kernel_registers *registers, uint64_t *address_out, size_t max)
{
    (void)registers;
    (void)address_out;
    (void)max;
    return 0;
}

void arch_frame_print(const struct trap_frame *frame)
{
    console_printf("ip 0x%llx sp 0x%llx\n", (unsigned long long)frame->ip,
                   (unsigned long long)frame->sp);
}

/* The child's report of its death is expected, so nobody sees it. */
bool simulation_panics(void (*action)(void))
{
    int status;

    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stdout) != NULL && freopen("/dev/null", "w", stderr) != NULL)
            action();
        _exit(EXIT_SUCCESS);
    }
    return child > 0 && waitpid(child, &status, 0) == child &&
           !(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}
