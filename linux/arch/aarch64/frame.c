/* Signal frames and clones' registers on aarch64.
 *
 * The frame, from the handler's stack pointer upwards: a siginfo, a ucontext whose last part is a
 * row of records, each with a magic number and its size, ended by one of zeroes; above it the
 * {x29, x30} pair that unwinders follow. What comes back with sigreturn is the guest's: records
 * that are not ours are refused, flags are taken as far as GUEST_FLAGS allows.
 */
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/frame.h>
#include <linux/machine.h>
#include <linux/mm.h>
#include <linux/task.h>

enum {
    SYSCALL_BYTES = 4,
    CALL_RESTART_SYSCALL = 128,
    CALL_REGISTER = 8,
    FRAME_POINTER = 29,
    LINK_REGISTER = 30,
    RECORDS_BYTES = 4096,
    FPSIMD_MAGIC = 0x46508001,
    ESR_MAGIC = 0x45535201,
};

#define PSTATE_BTYPE       0xc00ull
#define PSTATE_SINGLE_STEP 0x200000ull

struct record_head {
    uint32_t magic, size_bytes;
};

/* fpsr, fpcr, v0 to v31, as vcpu_vector_save has them. */
struct fpsimd_record {
    struct record_head head;
    uint8_t registers[520];
};
struct esr_record {
    struct record_head head;
    uint64_t esr;
};

struct sigcontext {
    uint64_t fault_address, x[31], sp, pc, pstate, padding;
    uint8_t records[RECORDS_BYTES];
};

struct signal_frame {
    struct signal_info info;
    uint64_t uc_flags, uc_link;
    struct linux_stack uc_stack;
    uint64_t uc_mask;
    uint8_t unused[120];
    uint64_t padding;
    struct sigcontext context;
};
static_assert(offsetof(struct signal_frame, context) == 128 + 176, "struct ucontext");
static_assert(offsetof(struct sigcontext, records) == 288, "struct sigcontext");
static_assert(sizeof(struct signal_frame) == 4688, "struct rt_sigframe");
static_assert(sizeof(struct fpsimd_record) == 528, "struct fpsimd_context");

/* What of a frame is written: its records fill only a part. */
struct frame_start {
    struct signal_info info;
    uint64_t uc_flags, uc_link;
    struct linux_stack uc_stack;
    uint64_t uc_mask;
    uint8_t unused[120];
    uint64_t padding;
    uint64_t fault_address, x[31], sp, pc, pstate, padding_2;
};
static_assert(sizeof(struct frame_start) ==
                  offsetof(struct signal_frame, context) + offsetof(struct sigcontext, records),
              "what comes before the records");

const char *machine_name(void)
{
    return "aarch64";
}

void registers_for_child(struct guest_registers *child, const struct guest_registers *parent,
                         uint64_t stack)
{
    *child = *parent;
    child->x[0] = 0;
    if (stack != 0)
        child->sp = stack;
}

void registers_set_thread_pointer(struct guest_registers *registers, uint64_t pointer)
{
    registers->tpidr = pointer;
}

uint64_t registers_call(const struct guest_registers *registers, uint64_t argument_out[6])
{
    memcpy(argument_out, registers->x, 6 * sizeof(uint64_t));
    return registers->x[CALL_REGISTER];
}

int64_t registers_result(const struct guest_registers *registers)
{
    return (int64_t)registers->x[0];
}

void registers_set_result(struct guest_registers *registers, int64_t result)
{
    registers->x[0] = (uint64_t)result;
}

uint64_t registers_stack(const struct guest_registers *registers)
{
    return registers->sp;
}

/* The result has taken the first argument's place. */
void registers_restart(struct task *task, struct guest_registers *registers, bool block)
{
    if (block)
        registers->x[CALL_REGISTER] = CALL_RESTART_SYSCALL;
    else
        registers->x[0] = task->call_argument[0];
    registers->pc -= SYSCALL_BYTES;
}

size_t frame_stack_min(void)
{
    return 5120;
}

size_t frame_size_max(void)
{
    return sizeof(struct signal_frame) + 2 * sizeof(uint64_t) + 32;
}

/* ---- records ---- */

static size_t records_fill(const struct task *task, uint8_t *records)
{
    size_t at = 0;
    struct fpsimd_record vector = { .head = { FPSIMD_MAGIC, sizeof(vector) } };
    vcpu_vector_save(task->vector_area);
    memcpy(vector.registers, task->vector_area, sizeof(vector.registers));
    memcpy(records, &vector, sizeof(vector));
    at += sizeof(vector);
    if (task->fault_error != 0) {
        struct esr_record esr = { .head = { ESR_MAGIC, sizeof(esr) }, .esr = task->fault_error };
        memcpy(records + at, &esr, sizeof(esr));
        at += sizeof(esr);
    }
    memset(records + at, 0, sizeof(struct record_head));
    return at + sizeof(struct record_head);
}

/* One record; its size, 0 at the end, or an error. Each byte is read once. */
static int record_take(struct task *task, uint64_t at, size_t left, bool *vector_seen)
{
    struct record_head head;
    if (left < sizeof(head) || copy_in(&head, at, sizeof(head)) != 0)
        return -EFAULT;
    if (head.magic == 0)
        return head.size_bytes == 0 ? 0 : -EINVAL;
    if (head.size_bytes < sizeof(head) || head.size_bytes > left || head.size_bytes % 16 != 0)
        return -EINVAL;
    if (head.magic == ESR_MAGIC)
        return (int)head.size_bytes;
    if (head.magic != FPSIMD_MAGIC || *vector_seen ||
        head.size_bytes < sizeof(struct fpsimd_record))
        return -EINVAL;
    *vector_seen = true;
    size_t registers_bytes = sizeof(struct fpsimd_record) - sizeof(head);
    if (copy_in(task->vector_area, at + sizeof(head), registers_bytes) != 0)
        return -EFAULT;
    return (int)head.size_bytes;
}

static int records_take(struct task *task, uint64_t records)
{
    bool vector_seen = false;
    size_t at = 0;
    for (;;) {
        int size_bytes = record_take(task, records + at, RECORDS_BYTES - at, &vector_seen);
        if (size_bytes < 0)
            return size_bytes;
        if (size_bytes == 0)
            break;
        at += (size_t)size_bytes;
    }
    if (!vector_seen)
        return -EINVAL;
    vcpu_vector_load(task->vector_area);
    return 0;
}

/* ---- frames ---- */

static void start_fill(struct frame_start *start, const struct task *task,
                       const struct guest_registers *registers, const struct signal_info *info,
                       signal_set mask)
{
    memset(start, 0, sizeof(*start));
    start->info = *info;
    signal_stack_get(task, &start->uc_stack);
    start->uc_mask = mask;
    start->fault_address = task->fault_address;
    memcpy(start->x, registers->x, sizeof(start->x));
    start->sp = registers->sp;
    start->pc = registers->pc;
    start->pstate = registers->pstate;
}

static int frame_write(struct task *task, uint64_t at, const struct guest_registers *registers,
                       const struct signal_info *info, signal_set mask)
{
    struct frame_start start;
    uint8_t records[sizeof(struct fpsimd_record) + sizeof(struct esr_record) +
                    sizeof(struct record_head)];
    start_fill(&start, task, registers, info, mask);
    size_t records_bytes = records_fill(task, records);
    if (copy_out(at, &start, sizeof(start)) != 0)
        return -EFAULT;
    return copy_out(at + sizeof(start), records, records_bytes);
}

int frame_push(struct task *task, const struct signal_info *info,
               const struct signal_action *action, signal_set mask)
{
    struct guest_registers *registers = &vcpu_state(task->vcpu)->registers;
    const uint64_t pair[2] = { registers->x[FRAME_POINTER], registers->x[LINK_REGISTER] };
    struct signal_stack stack = signal_stack_choose(task, action, registers->sp, 0);
    if (stack.top > GUEST_END || stack.top < frame_size_max() || action->handler >= GUEST_END)
        return -EFAULT;
    uint64_t pair_at = ALIGN_DOWN(stack.top - sizeof(pair), 16);
    uint64_t at = pair_at - sizeof(struct signal_frame);
    if (at <= stack.floor || frame_write(task, at, registers, info, mask) != 0 ||
        copy_out(pair_at, pair, sizeof(pair)) != 0)
        return -EFAULT;
    if ((task->stack_flags & SS_AUTODISARM) != 0) {
        task->stack_base = task->stack_size = 0;
        task->stack_flags = SS_DISABLE;
    }
    registers->x[0] = (uint64_t)info->number;
    registers->x[1] = at + offsetof(struct signal_frame, info);
    registers->x[2] = at + offsetof(struct signal_frame, uc_flags);
    registers->x[FRAME_POINTER] = pair_at;
    registers->x[LINK_REGISTER] =
        (action->flags & SA_RESTORER) != 0 ? action->restorer : mm_sigreturn(task->mm);
    registers->sp = at;
    registers->pc = action->handler;
    registers->pstate &= ~(PSTATE_BTYPE | PSTATE_SINGLE_STEP);
    return 0;
}

int frame_pop(struct task *task, signal_set *mask_out, struct linux_stack *stack_out)
{
    struct guest_registers *registers = &vcpu_state(task->vcpu)->registers;
    struct frame_start start;
    if (registers->sp % 16 != 0 || copy_in(&start, registers->sp, sizeof(start)) != 0)
        return -EFAULT;
    if (start.pc >= GUEST_END)
        return -EINVAL;
    int error = records_take(task, registers->sp + sizeof(start));
    if (error != 0)
        return error;
    memcpy(registers->x, start.x, sizeof(start.x));
    registers->sp = start.sp;
    registers->pc = start.pc;
    registers->pstate = start.pstate & GUEST_FLAGS & ~PSTATE_SINGLE_STEP;
    *mask_out = start.uc_mask;
    *stack_out = start.uc_stack;
    return 0;
}

/* ---- exceptions (Arm ARM D17.2.37, ESR_EL1.EC) ---- */

enum {
    EC_UNKNOWN = 0x00,
    EC_ILLEGAL_STATE = 0x0e,
    EC_PC_ALIGNMENT = 0x22,
    EC_SP_ALIGNMENT = 0x26,
    EC_FLOATING_POINT = 0x2c,
    EC_BREAKPOINT = 0x30,
    EC_SINGLE_STEP = 0x32,
    EC_WATCHPOINT = 0x34,
    EC_BRK = 0x3c,
};

struct exception_row {
    uint8_t class, number, code;
};

static const struct exception_row exceptions[] = {
    { EC_UNKNOWN, SIGILL, ILL_ILLOPC },        { EC_ILLEGAL_STATE, SIGILL, ILL_ILLOPC },
    { EC_PC_ALIGNMENT, SIGBUS, BUS_ADRALN },   { EC_SP_ALIGNMENT, SIGBUS, BUS_ADRALN },
    { EC_FLOATING_POINT, SIGFPE, FPE_FLTINV }, { EC_BREAKPOINT, SIGTRAP, TRAP_HWBKPT },
    { EC_SINGLE_STEP, SIGTRAP, TRAP_TRACE },   { EC_WATCHPOINT, SIGTRAP, TRAP_HWBKPT },
    { EC_BRK, SIGTRAP, TRAP_BRKPT },
};

/* Which of the exceptions that are enabled it was: ISS bits of EC_FLOATING_POINT. */
static int floating_point_code(uint64_t esr)
{
    static const uint8_t codes[] = { FPE_FLTINV, FPE_FLTDIV, FPE_FLTOVF, FPE_FLTUND, FPE_FLTRES };
    for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
        if ((esr >> i & 1) != 0)
            return codes[i];
    }
    return FPE_FLTINV;
}

void exception_signal(struct task *task, const struct guest_fault *fault,
                      struct signal_info *info_out)
{
    memset(info_out, 0, sizeof(*info_out));
    info_out->number = SIGILL;
    info_out->code = ILL_ILLOPC;
    for (size_t i = 0; i < ARRAY_LEN(exceptions); i++) {
        if (exceptions[i].class != fault->code)
            continue;
        info_out->number = exceptions[i].number;
        info_out->code = exceptions[i].code;
    }
    if (fault->code == EC_FLOATING_POINT)
        info_out->code = floating_point_code(fault->error);
    info_out->of.fault.address = vcpu_state(task->vcpu)->registers.pc;
}

void exception_note(struct task *task, const struct guest_fault *fault)
{
    task->fault_code = fault->code;
    task->fault_error = fault->error;
    task->fault_address = fault->access != 0 ? fault->address : 0;
}
