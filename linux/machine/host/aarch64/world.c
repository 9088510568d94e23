#include <base/string.h>
#include <linux/world.h>

void world_set_call(struct guest_registers *registers, unsigned number, const uint64_t arguments[6])
{
    registers->x[8] = number;
    memcpy(registers->x, arguments, 6 * sizeof(uint64_t));
}

uint64_t world_pc(const struct guest_registers *registers)
{
    return registers->pc;
}

void world_set_pc(struct guest_registers *registers, uint64_t pc)
{
    registers->pc = pc;
}

void world_set_stack(struct guest_registers *registers, uint64_t stack)
{
    registers->sp = stack;
}

uint64_t world_kept(const struct guest_registers *registers)
{
    return registers->x[19];
}

void world_set_kept(struct guest_registers *registers, uint64_t value)
{
    registers->x[19] = value;
}

void world_handler_arguments(const struct guest_registers *registers, uint64_t arguments_out[3])
{
    memcpy(arguments_out, registers->x, 3 * sizeof(uint64_t));
}

void world_handler_returns(struct guest_registers *registers, uint64_t stack)
{
    registers->sp = stack;
}

uint64_t world_instruction_bytes(void)
{
    return 4;
}
