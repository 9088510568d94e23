#include <linux/world.h>

void world_set_call(struct guest_registers *registers, unsigned number, const uint64_t arguments[6])
{
    registers->rax = number;
    registers->rdi = arguments[0];
    registers->rsi = arguments[1];
    registers->rdx = arguments[2];
    registers->r10 = arguments[3];
    registers->r8 = arguments[4];
    registers->r9 = arguments[5];
}

uint64_t world_pc(const struct guest_registers *registers)
{
    return registers->rip;
}

void world_set_pc(struct guest_registers *registers, uint64_t pc)
{
    registers->rip = pc;
}

void world_set_stack(struct guest_registers *registers, uint64_t stack)
{
    registers->rsp = stack;
}

uint64_t world_kept(const struct guest_registers *registers)
{
    return registers->r12;
}

void world_set_kept(struct guest_registers *registers, uint64_t value)
{
    registers->r12 = value;
}

void world_handler_arguments(const struct guest_registers *registers, uint64_t arguments_out[3])
{
    arguments_out[0] = registers->rdi;
    arguments_out[1] = registers->rsi;
    arguments_out[2] = registers->rdx;
}

void world_handler_returns(struct guest_registers *registers, uint64_t stack)
{
    registers->rsp = stack + 8;
}

uint64_t world_instruction_bytes(void)
{
    return 2;
}
