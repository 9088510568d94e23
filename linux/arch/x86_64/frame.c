/* Signal frames and clones' registers on x86_64.
 *
 * The frame, from the handler's stack pointer upwards: the address that the handler returns to, a
 * ucontext, a siginfo; and above, aligned to 64, the vector registers as XSAVE's standard form has
 * them, with words in its reserved part that say how long it is, and a word behind it. What comes
 * back with sigreturn is the guest's: registers are taken as far as GUEST_FLAGS and GUEST_END
 * allow, vector registers by vcpu_vector_load, which believes nothing.
 */
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/frame.h>
#include <linux/machine.h>
#include <linux/task.h>

enum {
    CODE_SELECTOR = 0x33,
    STACK_SELECTOR = 0x2b,
    SYSCALL_BYTES = 2,
    CALL_RESTART_SYSCALL = 219,
    RED_ZONE_BYTES = 128,
    LEGACY_VECTOR_BYTES = 512,
    XSAVE_HEADER_BYTES = 64,
    SW_BYTES_AT = 464, /* in the legacy part */
    VECTOR_MAGIC_1 = 0x46505853,
    VECTOR_MAGIC_2 = 0x46505845,
};

#define UC_FP_XSTATE         1ull
#define UC_SIGCONTEXT_SS     2ull
#define UC_STRICT_RESTORE_SS 4ull
#define FLAG_TRAP            0x100ull
#define FLAG_DIRECTION       0x400ull
#define FLAG_RESUME          0x10000ull
#define FLAG_IDENTIFICATION  0x200000ull

struct sigcontext {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
    uint16_t cs, gs, fs, ss;
    uint64_t error, trap, old_mask, cr2, vector;
    uint64_t reserved[8];
};
static_assert(sizeof(struct sigcontext) == 256, "struct sigcontext");

struct signal_frame {
    uint64_t return_address;
    uint64_t uc_flags, uc_link;
    struct linux_stack uc_stack;
    struct sigcontext context;
    uint64_t uc_mask;
    struct signal_info info;
};
static_assert(sizeof(struct signal_frame) == 440, "struct rt_sigframe");
static_assert(offsetof(struct signal_frame, context) == 48, "struct ucontext");

/* struct _fpx_sw_bytes */
struct vector_words {
    uint32_t magic, extended_bytes;
    uint64_t features;
    uint32_t state_bytes, padding[7];
};
static_assert(sizeof(struct vector_words) == LEGACY_VECTOR_BYTES - SW_BYTES_AT, "sw_reserved");

const char *machine_name(void)
{
    return "x86_64";
}

void registers_for_child(struct guest_registers *child, const struct guest_registers *parent,
                         uint64_t stack)
{
    *child = *parent;
    child->rax = 0;
    if (stack != 0)
        child->rsp = stack;
}

void registers_set_thread_pointer(struct guest_registers *registers, uint64_t pointer)
{
    registers->fs_base = pointer;
}

uint64_t registers_call(const struct guest_registers *registers, uint64_t argument_out[6])
{
    argument_out[0] = registers->rdi;
    argument_out[1] = registers->rsi;
    argument_out[2] = registers->rdx;
    argument_out[3] = registers->r10;
    argument_out[4] = registers->r8;
    argument_out[5] = registers->r9;
    return registers->rax;
}

int64_t registers_result(const struct guest_registers *registers)
{
    return (int64_t)registers->rax;
}

void registers_set_result(struct guest_registers *registers, int64_t result)
{
    registers->rax = (uint64_t)result;
}

uint64_t registers_stack(const struct guest_registers *registers)
{
    return registers->rsp;
}

/* rcx stays rip, so that the way back is the cheap one. */
void registers_restart(struct task *task, struct guest_registers *registers, bool block)
{
    registers->rax = block ? CALL_RESTART_SYSCALL : (uint64_t)task->call_number;
    registers->rip -= SYSCALL_BYTES;
    registers->rcx = registers->rip;
}

size_t frame_stack_min(void)
{
    return 2048;
}

size_t frame_size_max(void)
{
    return sizeof(struct signal_frame) + vcpu_vector_size() + sizeof(uint32_t) + RED_ZONE_BYTES +
           64 + 16;
}

/* ---- vector registers ---- */

static uint64_t vector_features(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool is_extended(size_t state_bytes)
{
    return state_bytes > LEGACY_VECTOR_BYTES;
}

static int vector_out(struct task *task, uint64_t at)
{
    const uint32_t magic = VECTOR_MAGIC_2;
    size_t state_bytes = vcpu_vector_size();
    struct vector_words words = { 0 };
    char *area = task->vector_area;
    vcpu_vector_save(area);
    if (is_extended(state_bytes)) {
        words = (struct vector_words){ .magic = VECTOR_MAGIC_1,
                                       .extended_bytes = (uint32_t)(state_bytes + sizeof(magic)),
                                       .features = vector_features(),
                                       .state_bytes = (uint32_t)state_bytes };
    }
    memcpy(area + SW_BYTES_AT, &words, sizeof(words));
    memcpy(area + state_bytes, &magic, sizeof(magic));
    return copy_out(at, area, state_bytes + (is_extended(state_bytes) ? sizeof(magic) : 0));
}

/* Does it say that behind the legacy part there is what vector_out wrote? */
static bool vector_says_extended(const struct vector_words *words, size_t state_bytes)
{
    return is_extended(state_bytes) && words->magic == VECTOR_MAGIC_1 &&
           words->state_bytes == state_bytes &&
           words->extended_bytes == state_bytes + sizeof(uint32_t);
}

static bool is_magic(const void *word)
{
    uint32_t magic;
    memcpy(&magic, word, sizeof(magic));
    return magic == VECTOR_MAGIC_2;
}

/* What is behind the legacy part: 1, or 0 if the word at its end is not there, after all. */
static int extended_in(char *area, uint64_t at, size_t state_bytes)
{
    uint32_t magic;
    size_t rest = state_bytes - LEGACY_VECTOR_BYTES + sizeof(magic);
    if (copy_in(area + LEGACY_VECTOR_BYTES, at + LEGACY_VECTOR_BYTES, rest) == 0)
        return is_magic(area + state_bytes) ? 1 : 0;
    bool there = copy_in(&magic, at + state_bytes, sizeof(magic)) == 0 && is_magic(&magic);
    return there ? -EFAULT : 0;
}

static int vector_in(struct task *task, uint64_t at)
{
    size_t state_bytes = vcpu_vector_size();
    char *area = task->vector_area;
    struct vector_words words;
    if (copy_in(area, at, LEGACY_VECTOR_BYTES) != 0)
        return -EFAULT;
    memcpy(&words, area + SW_BYTES_AT, sizeof(words));
    int extended =
        vector_says_extended(&words, state_bytes) ? extended_in(area, at, state_bytes) : 0;
    if (extended < 0)
        return extended;
    if (extended == 0 && is_extended(state_bytes)) {
        uint64_t legacy = 3; /* x87 and SSE are what there is */
        memset(area + LEGACY_VECTOR_BYTES, 0, state_bytes - LEGACY_VECTOR_BYTES);
        memcpy(area + LEGACY_VECTOR_BYTES, &legacy, sizeof(legacy));
    }
    vcpu_vector_load(area);
    return 0;
}

/* ---- frames ---- */

static void context_fill(struct sigcontext *context, const struct guest_registers *registers)
{
    *context = (struct sigcontext){
        .r8 = registers->r8,
        .r9 = registers->r9,
        .r10 = registers->r10,
        .r11 = registers->r11,
        .r12 = registers->r12,
        .r13 = registers->r13,
        .r14 = registers->r14,
        .r15 = registers->r15,
        .rdi = registers->rdi,
        .rsi = registers->rsi,
        .rbp = registers->rbp,
        .rbx = registers->rbx,
        .rdx = registers->rdx,
        .rax = registers->rax,
        .rcx = registers->rcx,
        .rsp = registers->rsp,
        .rip = registers->rip,
        .rflags = registers->rflags,
        .cs = CODE_SELECTOR,
        .ss = STACK_SELECTOR,
    };
}

static void frame_fill(struct signal_frame *frame, const struct task *task,
                       const struct guest_registers *registers, const struct signal_info *info,
                       signal_set mask)
{
    context_fill(&frame->context, registers);
    frame->context.error = task->fault_error;
    frame->context.trap = task->fault_code;
    frame->context.cr2 = task->fault_address;
    frame->context.old_mask = mask;
    frame->uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS |
                      (is_extended(vcpu_vector_size()) ? UC_FP_XSTATE : 0);
    frame->uc_link = 0;
    signal_stack_get(task, &frame->uc_stack);
    frame->uc_mask = mask;
    frame->info = *info;
}

/* Where things go; false: there is no room. */
static bool frame_place(const struct task *task, const struct signal_action *action,
                        uint64_t pointer, uint64_t *vector_out, uint64_t *frame_out)
{
    struct signal_stack stack = signal_stack_choose(task, action, pointer, RED_ZONE_BYTES);
    uint64_t needed = vcpu_vector_size() + sizeof(uint32_t) + 64 + sizeof(struct signal_frame) + 24;
    if (stack.top > GUEST_END || stack.top < needed)
        return false;
    *vector_out = ALIGN_DOWN(stack.top - vcpu_vector_size() - sizeof(uint32_t), 64);
    *frame_out = ALIGN_DOWN(*vector_out - sizeof(struct signal_frame), 16) - 8;
    return *frame_out > stack.floor;
}

int frame_push(struct task *task, const struct signal_info *info,
               const struct signal_action *action, signal_set mask)
{
    struct guest_registers *registers = &vcpu_state(task->vcpu)->registers;
    struct signal_frame frame;
    uint64_t vector;
    uint64_t at;
    if ((action->flags & SA_RESTORER) == 0 || action->handler >= GUEST_END ||
        !frame_place(task, action, registers->rsp, &vector, &at))
        return -EFAULT;
    frame_fill(&frame, task, registers, info, mask);
    frame.return_address = action->restorer;
    frame.context.vector = vector;
    if (vector_out(task, vector) != 0 || copy_out(at, &frame, sizeof(frame)) != 0)
        return -EFAULT;
    if ((task->stack_flags & SS_AUTODISARM) != 0) {
        task->stack_base = task->stack_size = 0;
        task->stack_flags = SS_DISABLE;
    }
    registers->rdi = (uint64_t)info->number;
    registers->rsi = at + offsetof(struct signal_frame, info);
    registers->rdx = at + offsetof(struct signal_frame, uc_flags);
    registers->rax = 0;
    registers->rsp = at;
    registers->rip = action->handler;
    registers->rflags &= ~(FLAG_DIRECTION | FLAG_RESUME | FLAG_TRAP);
    return 0;
}

static void context_take(struct guest_registers *registers, const struct sigcontext *context)
{
    const uint64_t flags = GUEST_FLAGS & ~FLAG_IDENTIFICATION;
    *registers = (struct guest_registers){
        .r8 = context->r8,
        .r9 = context->r9,
        .r10 = context->r10,
        .r11 = context->r11,
        .r12 = context->r12,
        .r13 = context->r13,
        .r14 = context->r14,
        .r15 = context->r15,
        .rdi = context->rdi,
        .rsi = context->rsi,
        .rbp = context->rbp,
        .rbx = context->rbx,
        .rdx = context->rdx,
        .rax = context->rax,
        .rcx = context->rcx,
        .rsp = context->rsp,
        .rip = context->rip,
        .rflags = (registers->rflags & ~flags) | (context->rflags & flags),
        .fs_base = registers->fs_base,
        .gs_base = registers->gs_base,
    };
}

/* The handler's return has taken the first word off. */
int frame_pop(struct task *task, signal_set *mask_out, struct linux_stack *stack_out)
{
    struct guest_registers *registers = &vcpu_state(task->vcpu)->registers;
    struct signal_frame frame;
    if (registers->rsp < sizeof(uint64_t) ||
        copy_in(&frame, registers->rsp - sizeof(uint64_t), sizeof(frame)) != 0)
        return -EFAULT;
    if (frame.context.rip >= GUEST_END)
        return -EINVAL;
    if (frame.context.vector == 0)
        vcpu_vector_reset();
    else if (vector_in(task, frame.context.vector) != 0)
        return -EFAULT;
    context_take(registers, &frame.context);
    *mask_out = frame.uc_mask;
    *stack_out = frame.uc_stack;
    return 0;
}

/* ---- exceptions (Intel SDM vol. 3, 6.15) ---- */

enum {
    VECTOR_DIVIDE = 0,
    VECTOR_DEBUG = 1,
    VECTOR_BREAKPOINT = 3,
    VECTOR_OVERFLOW = 4,
    VECTOR_BOUND = 5,
    VECTOR_OPCODE = 6,
    VECTOR_STACK = 12,
    VECTOR_GENERAL = 13,
    VECTOR_PAGE = 14,
    VECTOR_X87 = 16,
    VECTOR_ALIGNMENT = 17,
    VECTOR_SIMD = 19,
};

struct exception_row {
    uint8_t vector, number;
    uint8_t code;
    bool at_ip; /* si_addr is the instruction; else 0 */
};

/* The codes of the floating-point ones are looked up. */
static const struct exception_row exceptions[] = {
    { VECTOR_DIVIDE, SIGFPE, FPE_INTDIV, true },
    { VECTOR_DEBUG, SIGTRAP, TRAP_TRACE, true },
    { VECTOR_BREAKPOINT, SIGTRAP, SI_KERNEL, false },
    { VECTOR_OVERFLOW, SIGSEGV, SI_KERNEL, false },
    { VECTOR_BOUND, SIGSEGV, SI_KERNEL, false },
    { VECTOR_OPCODE, SIGILL, ILL_ILLOPC, true },
    { VECTOR_STACK, SIGBUS, SI_KERNEL, false },
    { VECTOR_GENERAL, SIGSEGV, SI_KERNEL, false },
    { VECTOR_X87, SIGFPE, FPE_FLTINV, true },
    { VECTOR_ALIGNMENT, SIGBUS, BUS_ADRALN, false },
    { VECTOR_SIMD, SIGFPE, FPE_FLTINV, true },
};

/* Which of the exceptions that are not masked it was: status and control words as FXSAVE has them.
 */
static int floating_point_code(struct task *task, bool simd)
{
    struct {
        uint16_t control, status;
        uint8_t other[20];
        uint32_t mxcsr;
    } words;
    vcpu_vector_save(task->vector_area);
    memcpy(&words, task->vector_area, sizeof(words));
    uint32_t raised = simd ? words.mxcsr & ~(words.mxcsr >> 7)
                           : (uint32_t)words.status & ~(uint32_t)words.control;
    if ((raised & 0x01) != 0)
        return FPE_FLTINV;
    if ((raised & 0x04) != 0)
        return FPE_FLTDIV;
    if ((raised & 0x08) != 0)
        return FPE_FLTOVF;
    if ((raised & 0x12) != 0)
        return FPE_FLTUND;
    return (raised & 0x20) != 0 ? FPE_FLTRES : FPE_FLTINV;
}

void exception_signal(struct task *task, const struct guest_fault *fault,
                      struct signal_info *info_out)
{
    memset(info_out, 0, sizeof(*info_out));
    info_out->number = SIGSEGV;
    info_out->code = SI_KERNEL;
    for (size_t i = 0; i < ARRAY_LEN(exceptions); i++) {
        const struct exception_row *row = &exceptions[i];
        if (row->vector != fault->code)
            continue;
        info_out->number = row->number;
        info_out->code = row->code;
        info_out->of.fault.address = row->at_ip ? vcpu_state(task->vcpu)->registers.rip : 0;
    }
    if (fault->code == VECTOR_X87 || fault->code == VECTOR_SIMD)
        info_out->code = floating_point_code(task, fault->code == VECTOR_SIMD);
}

void exception_note(struct task *task, const struct guest_fault *fault)
{
    task->fault_code = fault->access != 0 ? VECTOR_PAGE : fault->code;
    task->fault_error = fault->error;
    if (fault->access != 0)
        task->fault_address = fault->address;
}
