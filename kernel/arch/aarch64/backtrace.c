/* Registers and the frame-pointer chain, for panics. */
#include <arch/backtrace.h>
#include <arch/trap.h>
#include <kernel/console.h>
#include <kernel/kmap.h>

static void print_general(const uint64_t *x)
{
    for (unsigned i = 0; i < 31; i++)
        console_printf("%sx%-2u %016llx%s", i % 4 == 0 ? "  " : " ", i, (unsigned long long)x[i],
                       i % 4 == 3 || i == 30 ? "\n" : "");
}

void arch_registers_print(const struct kernel_registers *registers)
{
    if (registers == NULL)
        return;
    console_printf("  pc  %016llx sp  %016llx pstate %08llx\n  esr %016llx far %016llx\n",
                   (unsigned long long)registers->pc, (unsigned long long)registers->sp,
                   (unsigned long long)registers->pstate, (unsigned long long)registers->syndrome,
                   (unsigned long long)registers->address);
    print_general(registers->x);
}

void arch_frame_print(const struct trap_frame *frame)
{
    console_printf("  pc  %016llx sp  %016llx pstate %08llx\n", (unsigned long long)frame->pc,
                   (unsigned long long)frame->sp, (unsigned long long)frame->pstate);
    print_general(frame->x);
}

extern const char image_data_start[], image_data_end[];

/* The image's own data (the boot stack) is there before there are tables to ask. */
static bool readable(uint64_t at)
{
    paddr_t pa;
    unsigned perm;
    if (at >= (uint64_t)(uintptr_t)image_data_start && at < (uint64_t)(uintptr_t)image_data_end)
        return true;
    return kmap_query(vaddr(at), &pa, &perm) == OK &&
           (perm & (PERM_READ | PERM_DEVICE)) == PERM_READ;
}

/* A record is { caller's record, return address }, 16-byte aligned, so it never crosses a page. */
size_t arch_backtrace(const struct kernel_registers *registers, uint64_t *address_out, size_t max)
{
    size_t count = 0;
    uint64_t frame;
    if (registers != NULL) {
        if (count < max)
            address_out[count++] = registers->pc;
        frame = registers->x[29];
    } else {
        frame = (uint64_t)(uintptr_t)__builtin_frame_address(0);
    }
    while (count < max && frame != 0 && frame % 16 == 0 && readable(frame)) {
        const uint64_t *record = (const uint64_t *)(uintptr_t)frame;
        if (record[1] == 0)
            break;
        address_out[count++] = record[1];
        if (record[0] <= frame)
            break; /* stacks grow down: anything else is no chain */
        frame = record[0];
    }
    return count;
}
