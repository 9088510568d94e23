/* Exceptions, decoded (Arm ARM D17.2.37, ESR_EL1) and handed to the portable kernel. */
#include "context_impl.h"
#include "firmware.h"
#include "gic.h"
#include "timer_impl.h"

#include <arch/backtrace.h>
#include <arch/trap.h>
#include <kernel/cpu.h>
#include <kernel/kmap.h>
#include <kernel/panic.h>
#include <kernel/trap.h>

/* Called from vectors.S. */
void trap_user_sync(struct thread *current, uint64_t syndrome, uint64_t address);
void trap_user_irq(void);
void trap_user_serror(struct thread *current);
void trap_kernel_sync(struct kernel_registers *registers);
void trap_kernel_irq(void);
NORETURN void trap_kernel_serror(const struct kernel_registers *registers);
NORETURN void trap_unexpected(const struct kernel_registers *registers);
NORETURN void trap_bad_user_state(const struct thread *thread);

enum exception_class {
    EC_UNKNOWN = 0x00,
    EC_WFI = 0x01,
    EC_VECTOR = 0x07,
    EC_BRANCH_TARGET = 0x0d,
    EC_ILLEGAL_STATE = 0x0e,
    EC_SYSTEM_REGISTER = 0x18,
    EC_SVE = 0x19,
    EC_POINTER_AUTHENTICATION = 0x1c,
    EC_SME = 0x1d,
    EC_INSTRUCTION_ABORT = 0x20,
    EC_INSTRUCTION_ABORT_KERNEL = 0x21,
    EC_PC_ALIGNMENT = 0x22,
    EC_DATA_ABORT = 0x24,
    EC_DATA_ABORT_KERNEL = 0x25,
    EC_SP_ALIGNMENT = 0x26,
    EC_MEMORY_COPY = 0x27,
    EC_FLOATING_POINT = 0x2c,
    EC_BREAKPOINT = 0x30,
    EC_STEP = 0x32,
    EC_WATCHPOINT = 0x34,
    EC_BRK = 0x3c,
};

/* Aborts: fault status code, and what else the syndrome says. */
enum {
    ABORT_STATUS = 0x3f,
    ABORT_WRITE = 1 << 6,
    ABORT_CACHE_OPERATION = 1 << 8,
    ABORT_NO_ADDRESS = 1 << 10,
    STATUS_ALIGNMENT = 0x21,
    STATUS_TLB_CONFLICT = 0x30,
};

struct extable_entry {
    int32_t fault; /* both relative to their own place */
    int32_t fixup;
};

extern const char image_rodata_end[], image_data_start[];
extern const struct extable_entry extable_start[], extable_end[];

static unsigned class_of(uint64_t syndrome)
{
    return (unsigned)(syndrome >> 26) & 0x3f;
}

/* Translation, access flag and permission faults: what a page table entry can cure. */
static bool is_page_fault(uint64_t syndrome)
{
    unsigned kind = (unsigned)(syndrome & ABORT_STATUS) >> 2;
    return kind >= 1 && kind <= 3 && (syndrome & ABORT_NO_ADDRESS) == 0;
}

/* Cache maintenance by address reports itself as a write, but needs no more than read permission.
 */
static unsigned data_access(uint64_t syndrome)
{
    if ((syndrome & ABORT_CACHE_OPERATION) != 0)
        return PERM_READ;
    return (syndrome & ABORT_WRITE) != 0 ? PERM_WRITE : PERM_READ;
}

static const char *abort_name(uint64_t syndrome)
{
    switch (syndrome & ABORT_STATUS) {
    case STATUS_ALIGNMENT:
        return "alignment fault";
    case STATUS_TLB_CONFLICT:
        return "TLB conflict";
    default:
        return "external abort";
    }
}

static const char *exception_name(unsigned class)
{
    switch (class) {
    case EC_UNKNOWN:
        return "undefined instruction";
    case EC_WFI:
        return "wait instruction";
    case EC_BRANCH_TARGET:
        return "branch target exception";
    case EC_ILLEGAL_STATE:
        return "illegal execution state";
    case EC_SYSTEM_REGISTER:
        return "system register trap";
    case EC_VECTOR:
        return "vector instruction";
    case EC_SVE:
        return "SVE instruction";
    case EC_SME:
        return "SME instruction";
    case EC_POINTER_AUTHENTICATION:
        return "pointer authentication failure";
    case EC_INSTRUCTION_ABORT:
    case EC_INSTRUCTION_ABORT_KERNEL:
        return "instruction abort";
    case EC_DATA_ABORT:
    case EC_DATA_ABORT_KERNEL:
        return "data abort";
    case EC_PC_ALIGNMENT:
        return "PC alignment fault";
    case EC_SP_ALIGNMENT:
        return "SP alignment fault";
    case EC_MEMORY_COPY:
        return "memory copy exception";
    case EC_FLOATING_POINT:
        return "floating-point exception";
    case EC_BREAKPOINT:
    case EC_BRK:
        return "breakpoint";
    case EC_STEP:
        return "single step";
    case EC_WATCHPOINT:
        return "watchpoint";
    default:
        return "unknown exception";
    }
}

/* ---- From user mode ---- */

static void user_abort(struct thread *current, uint64_t syndrome, uint64_t address, unsigned access)
{
    if (LIKELY(is_page_fault(syndrome)))
        trap_user_page_fault(current, address, access);
    else
        trap_user_exception(current, abort_name(syndrome), address);
}

void trap_user_sync(struct thread *current, uint64_t syndrome, uint64_t address)
{
    unsigned class = class_of(syndrome);
    switch (class) {
    case EC_DATA_ABORT:
        user_abort(current, syndrome, address, data_access(syndrome));
        break;
    case EC_INSTRUCTION_ABORT:
        user_abort(current, syndrome, address, PERM_EXECUTE);
        break;
    case EC_WFI: /* may end at any time: at once. A user must not halt the CPU. */
        current->frame.pc += 4;
        break;
    case EC_VECTOR:
        if (!vector_first_use(current))
            trap_user_exception(current, "no memory for vector registers", current->frame.pc);
        break;
    case EC_PC_ALIGNMENT:
    case EC_WATCHPOINT:
        trap_user_exception(current, exception_name(class), address);
        break;
    default: /* FAR_EL1 means nothing for the others */
        trap_user_exception(current, exception_name(class), current->frame.pc);
        break;
    }
}

void trap_user_serror(struct thread *current)
{
    trap_user_exception(current, "system error", current->frame.pc);
}

void trap_bad_user_state(const struct thread *thread)
{
    panic("return to user mode with processor state %#llx (thread %llu)",
          (unsigned long long)thread->frame.pstate, (unsigned long long)thread->object.id);
}

/* ---- Interrupts ---- */

/* One interrupt: taken, ended, then handled. Masked as they are, the next one waits, and a device
 * that still asks after its handler ran asks again. The timer is silenced first, since its line
 * stays up.
 */
static void serve_interrupt(void)
{
    uint32_t token = gic->acknowledge();
    unsigned intid = gic_intid(token);
    if (gic_is_special(intid))
        return;
    if (intid == platform.timer_intid)
        timer_mask();
    gic->end(token);

    if (intid == platform.timer_intid)
        trap_timer();
    else if (intid == GIC_SGI_IPI)
        trap_ipi();
    else if (intid == GIC_SGI_STOP)
        arch_stop_here();
    else
        trap_irq(intid);
}

void trap_user_irq(void)
{
    serve_interrupt();
}

void trap_kernel_irq(void)
{
    serve_interrupt();
}

/* ---- From the kernel ---- */

static const struct extable_entry *find_fixup(uint64_t pc)
{
    for (const struct extable_entry *at = extable_start; at < extable_end; at++) {
        if ((uint64_t)(uintptr_t)&at->fault + (uint64_t)(int64_t)at->fault == pc)
            return at;
    }
    return NULL;
}

static uint64_t fixup_address(const struct extable_entry *entry)
{
    return (uint64_t)(uintptr_t)&entry->fixup + (uint64_t)(int64_t)entry->fixup;
}

/* A copy to or from user memory: fill the page in, or end the copy. */
static bool resolve_user_copy(struct kernel_registers *registers)
{
    if (class_of(registers->syndrome) != EC_DATA_ABORT_KERNEL || registers->address >= USER_END)
        return false;
    const struct extable_entry *entry = find_fixup(registers->pc);
    if (entry == NULL)
        return false;

    struct vspace *vspace = cpu_self()->vspace;
    if (vspace == NULL || !is_page_fault(registers->syndrome) ||
        vspace_fault(vspace_of(vspace, registers->address), uaddr(registers->address),
                     data_access(registers->syndrome)) != OK)
        registers->pc = fixup_address(entry);
    return true;
}

/* An instruction that does not exist everywhere, and says where to go on. */
static bool resolve_undefined(struct kernel_registers *registers)
{
    if (class_of(registers->syndrome) != EC_UNKNOWN)
        return false;
    const struct extable_entry *entry = find_fixup(registers->pc);
    if (entry == NULL)
        return false;
    registers->pc = fixup_address(entry);
    return true;
}

static bool is_abort(unsigned class)
{
    return class == EC_DATA_ABORT_KERNEL || class == EC_INSTRUCTION_ABORT_KERNEL;
}

/* Of a stack from kmap_stack_create, or of the boot stack (kernel.ld). */
static bool is_guard(uint64_t address)
{
    return kmap_is_guard(vaddr(address)) || (address >= (uint64_t)(uintptr_t)image_rodata_end &&
                                             address < (uint64_t)(uintptr_t)image_data_start);
}

void trap_kernel_sync(struct kernel_registers *registers)
{
    if (LIKELY(resolve_user_copy(registers)) || resolve_undefined(registers))
        return;

    unsigned class = class_of(registers->syndrome);
    uint64_t address = registers->address;
    if (is_abort(class) && is_guard(address))
        panic_registers(registers, "kernel stack overflow: guard page hit at %#llx",
                        (unsigned long long)address);
    if (is_guard(registers->sp))
        panic_registers(registers, "kernel stack overflow: stack pointer in a guard page");
    if (!is_abort(class))
        panic_registers(registers, "%s in the kernel", exception_name(class));
    if (!is_page_fault(registers->syndrome))
        panic_registers(registers, "%s in the kernel at %#llx", abort_name(registers->syndrome),
                        (unsigned long long)address);
    if (class == EC_INSTRUCTION_ABORT_KERNEL)
        panic_registers(registers, "kernel executed at %#llx", (unsigned long long)address);
    panic_registers(registers, "kernel %s at %#llx",
                    data_access(registers->syndrome) == PERM_WRITE ? "write" : "read",
                    (unsigned long long)address);
}

void trap_kernel_serror(const struct kernel_registers *registers)
{
    panic_registers(registers, "system error (asynchronous abort) in the kernel");
}

void trap_unexpected(const struct kernel_registers *registers)
{
    panic_registers(registers, "exception through a vector that is not in use");
}
