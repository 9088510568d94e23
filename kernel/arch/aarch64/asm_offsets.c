/* Offsets for assembly. Compiled to text, never linked. */
#include <kernel/cpu.h>
#include <kernel/thread.h>
#include <limine.h>
#include <stddef.h>

void asm_offsets(void);

static_assert(offsetof(struct thread, frame) == 0, "a thread's address is its frame's");
static_assert(sizeof(struct trap_frame) % 16 == 0, "user mode enters with SP_EL1 at the frame");
static_assert(sizeof(struct kernel_registers) % 16 == 0, "SP stays aligned");
static_assert(offsetof(struct cpu, arch) == 0, "assembly reaches arch_cpu through the CPU");

void asm_offsets(void)
{
    DEFINE(CPU_OVERFLOW_TOP, offsetof(struct arch_cpu, overflow_stack_top));
    DEFINE(CPU_STACK_TOP, offsetof(struct cpu, stack_top));
    DEFINE(FRAME_LR, offsetof(struct trap_frame, x[30]));
    DEFINE(FRAME_SP, offsetof(struct trap_frame, sp));
    DEFINE(FRAME_PC, offsetof(struct trap_frame, pc));
    DEFINE(FRAME_FIXED_BITS, PSTATE_FIXED_BITS);
    DEFINE(REGISTERS_SIZE, sizeof(struct kernel_registers));
    DEFINE(REGISTERS_LR, offsetof(struct kernel_registers, x[30]));
    DEFINE(REGISTERS_SP, offsetof(struct kernel_registers, sp));
    DEFINE(REGISTERS_PC, offsetof(struct kernel_registers, pc));
    DEFINE(REGISTERS_SYNDROME, offsetof(struct kernel_registers, syndrome));
    DEFINE(FAULT_ROOM, KERNEL_FAULT_ROOM);
    DEFINE(OVERFLOW_SIZE, OVERFLOW_STACK_SIZE);
    DEFINE(VECTOR_FPCR, offsetof(struct vector_state, fpcr));
    DEFINE(SMP_INFO_ARGUMENT, offsetof(struct limine_smp_info, extra_argument));
}
