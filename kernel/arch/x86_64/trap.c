/* What entry.S calls: which event it was, and what the portable kernel is to do about it. */
#include "regs.h"
#include "x86.h"
#include <arch/irq.h>
#include <kernel/kmap.h>
#include <kernel/panic.h>
#include <kernel/thread.h>
#include <kernel/trap.h>

/* Page fault error code */
#define FAULT_WRITE    BIT64(1)
#define FAULT_USER     BIT64(2)
#define FAULT_RESERVED BIT64(3)
#define FAULT_FETCH    BIT64(4)

static const char *const exception_names[EXCEPTION_COUNT] = {
    [0] = "divide error",
    [1] = "debug trap",
    [2] = "non-maskable interrupt",
    [3] = "breakpoint",
    [4] = "overflow",
    [5] = "bound range exceeded",
    [6] = "invalid opcode",
    [7] = "device not available",
    [8] = "double fault",
    [10] = "invalid task state segment",
    [11] = "segment not present",
    [12] = "stack fault",
    [13] = "general protection fault",
    [14] = "page fault",
    [16] = "floating-point error",
    [17] = "alignment check",
    [18] = "machine check",
    [19] = "vector floating-point error",
    [20] = "virtualization exception",
    [21] = "control protection fault",
    [28] = "hypervisor injection",
    [29] = "VMM communication",
    [30] = "security exception",
};

static const char *exception_name(uint64_t vector)
{
    const char *name = vector < EXCEPTION_COUNT ? exception_names[vector] : NULL;
    return name != NULL ? name : "unknown exception";
}

static unsigned fault_access(uint64_t error)
{
    if ((error & FAULT_FETCH) != 0)
        return PERM_EXECUTE;
    return (error & FAULT_WRITE) != 0 ? PERM_WRITE : PERM_READ;
}

/* ---- Interrupts ---- */

/* A line is acknowledged when its handler is through: a level that the handler has not silenced
 * would be back at once otherwise. Nobody schedules before that.
 */
static void line_interrupt(unsigned vector)
{
    unsigned line;
    if (x86_line_of_vector(vector, &line))
        trap_irq(line);
    x86_lapic_eoi();
}

static void interrupt(unsigned vector)
{
    switch (vector) {
    case VECTOR_TIMER:
        x86_lapic_eoi();
        x86_timer_interrupt();
        break;
    case VECTOR_IPI:
        x86_lapic_eoi();
        trap_ipi();
        break;
    case VECTOR_SPURIOUS:
        break; /* is not in service: no acknowledgement */
    case VECTOR_APIC_ERROR:
        x86_lapic_error();
        x86_lapic_eoi();
        break;
    default:
        if (vector < VECTOR_LINE_FIRST)
            x86_pic_interrupt(vector);
        else
            line_interrupt(vector);
    }
}

/* ---- From user mode ---- */

/* An access that the CPU makes with supervisor rights on a user's behalf is none that a page could
 * satisfy. (QEMU's software CPU reads the stack so for a user's iret or far return, against SMAP.)
 */
static void user_page_fault(struct thread *current, uint64_t address, uint64_t error)
{
    if (UNLIKELY((error & FAULT_RESERVED) != 0))
        panic("corrupt page table entry for user address 0x%llx", (unsigned long long)address);
    if (UNLIKELY((error & FAULT_USER) == 0))
        trap_user_exception(current, "page fault (privileged)", address);
    else
        trap_user_page_fault(current, address, fault_access(error));
}

void x86_trap_user(struct thread *current)
{
    const struct trap_frame *frame = &current->frame;
    uint64_t vector = frame->vector;
    if (vector >= EXCEPTION_COUNT) {
        interrupt((unsigned)vector);
        return;
    }
    switch (vector) {
    case EXCEPTION_PAGE_FAULT:
        user_page_fault(current, read_cr2(), frame->error);
        break;
    case EXCEPTION_DEVICE_NOT_AVAILABLE:
        x86_vector_first_use(current);
        break;
    default:
        trap_user_exception(current, exception_name(vector), frame->rip);
    }
}

/* ---- From kernel mode ---- */

struct fixup {
    uint64_t at, go_on;
};
extern const struct fixup extable_start[], extable_end[];

const void *x86_fixup_find(uint64_t ip)
{
    for (const struct fixup *f = extable_start; f < extable_end; f++) {
        if (f->at == ip)
            return (const void *)(uintptr_t)f->go_on;
    }
    return NULL;
}

/* A copy to or from user memory faulted on its user side: have the page filled, else end the copy.
 */
static bool copy_fault(struct kernel_registers *registers, uint64_t address)
{
    const void *go_on = x86_fixup_find(registers->frame.rip);
    if (go_on == NULL || address >= USER_END || (registers->frame.error & FAULT_RESERVED) != 0)
        return false;
    struct vspace *vspace = cpu_self()->vspace;
    if (vspace != NULL && vspace_fault(vspace_of(vspace, address), uaddr(address),
                                       fault_access(registers->frame.error)) == OK)
        return true;
    registers->frame.rip = (uint64_t)(uintptr_t)go_on;
    return true;
}

extern const char image_rodata_end[], image_data_start[];

/* Below the stacks that kmap makes, and below the boot CPU's first one, which kernel.ld places. */
static bool is_guard(uint64_t address)
{
    return kmap_is_guard(vaddr(address)) || (address >= (uint64_t)(uintptr_t)image_rodata_end &&
                                             address < (uint64_t)(uintptr_t)image_data_start);
}

NORETURN static void kernel_page_fault(struct kernel_registers *registers, uint64_t address)
{
    static const char *const access_names[] = {
        [PERM_READ] = "read", [PERM_WRITE] = "write to", [PERM_EXECUTE] = "execution of"
    };
    unsigned long long at = address;
    if (is_guard(address))
        panic_registers(registers, "kernel stack overflow: guard page hit at %#llx", at);
    panic_registers(registers, "page fault in the kernel: %s 0x%llx",
                    access_names[fault_access(registers->frame.error)], at);
}

void x86_trap_kernel(struct kernel_registers *registers)
{
    uint64_t vector = registers->frame.vector;
    if (LIKELY(vector >= EXCEPTION_COUNT)) {
        interrupt((unsigned)vector);
        return;
    }
    if (vector == EXCEPTION_PAGE_FAULT) {
        uint64_t address = read_cr2();
        if (copy_fault(registers, address))
            return;
        kernel_page_fault(registers, address);
    }
    panic_registers(registers, "%s in the kernel, error code 0x%llx", exception_name(vector),
                    (unsigned long long)registers->frame.error);
}

/* ---- From anywhere, and never back ---- */

static uint32_t stopping; /* [A] index + 1 of the CPU that panics and wants the others to stop */

void arch_stop_others(void)
{
    struct cpu *self = cpu_self();
    __atomic_store_n(&stopping, self->index + 1, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < cpu_count; i++) {
        struct cpu *cpu = cpu_get(i);
        if (cpu == self || __atomic_load_n(&cpu->arch.tables_loaded, __ATOMIC_ACQUIRE) == 0)
            continue;
        x86_lapic_send_nmi(cpu);
        for (unsigned turn = 0; turn < 1000 * 1000; turn++) {
            if (__atomic_load_n(&cpu->arch.stopped, __ATOMIC_ACQUIRE) != 0)
                break;
            arch_relax();
        }
    }
}

/* For the one that panics an NMI is nobody's request to stop: its panic must come to an end. */
static bool asked_to_stop(void)
{
    uint32_t asker = __atomic_load_n(&stopping, __ATOMIC_SEQ_CST);
    return asker != 0 && asker != cpu_self()->index + 1;
}

/* NMI, double fault, machine check. A stack overflow arrives as a double fault: the page fault
 * found no room for its own frame.
 */
void x86_trap_fatal(struct kernel_registers *registers)
{
    uint64_t vector = registers->frame.vector;
    if (vector == EXCEPTION_NMI && asked_to_stop()) {
        __atomic_store_n(&cpu_self()->arch.stopped, 1, __ATOMIC_RELEASE);
        arch_halt();
    }
    unsigned long long address = read_cr2();
    if (vector == EXCEPTION_DOUBLE_FAULT && is_guard(address))
        panic_registers(registers, "kernel stack overflow: guard page hit at %#llx", address);
    if (vector == EXCEPTION_DOUBLE_FAULT)
        panic_registers(registers, "double fault, last page fault address 0x%llx", address);
    panic_registers(registers, "%s", exception_name(vector));
}
