/* Registers and the frame-pointer chain, for panics. */
#include "regs.h"
#include "x86.h"
#include <arch/backtrace.h>
#include <kernel/console.h>
#include <kernel/kmap.h>

static void print_row(const char *const names[4], const uint64_t values[4])
{
    for (unsigned i = 0; i < 4; i++)
        console_printf(" %3s %016llx", names[i], (unsigned long long)values[i]);
    console_printf("\n");
}

void arch_frame_print(const struct trap_frame *f)
{
    print_row((const char *const[]){ "rax", "rbx", "rcx", "rdx" },
              (const uint64_t[]){ f->rax, f->rbx, f->rcx, f->rdx });
    print_row((const char *const[]){ "rsi", "rdi", "rbp", "rsp" },
              (const uint64_t[]){ f->rsi, f->rdi, f->rbp, f->rsp });
    print_row((const char *const[]){ "r8", "r9", "r10", "r11" },
              (const uint64_t[]){ f->r8, f->r9, f->r10, f->r11 });
    print_row((const char *const[]){ "r12", "r13", "r14", "r15" },
              (const uint64_t[]){ f->r12, f->r13, f->r14, f->r15 });
    print_row((const char *const[]){ "rip", "fl", "cs", "ss" },
              (const uint64_t[]){ f->rip, f->rflags, f->cs, f->ss });
}

void arch_registers_print(const struct kernel_registers *registers)
{
    if (registers == NULL)
        return;
    arch_frame_print(&registers->frame);
    print_row((const char *const[]){ "cr0", "cr2", "cr3", "cr4" },
              (const uint64_t[]){ read_cr0(), read_cr2(), read_cr3(), read_cr4() });
    console_printf(" vector %llu, error code 0x%llx\n", (unsigned long long)registers->frame.vector,
                   (unsigned long long)registers->frame.error);
}

/* A frame is the caller's frame pointer and the return address. Frames of one stack lie at rising
 * addresses, in kernel memory that is mapped; the chain ends where one does not.
 */
static bool frame_ok(uint64_t at)
{
    paddr_t pa;
    unsigned perm;
    if (at < UINT64_MAX / 2 || at > UINT64_MAX - 16 || (at & 7) != 0)
        return false;
    return kmap_query(vaddr(at), &pa, &perm) == OK && kmap_query(vaddr(at + 8), &pa, &perm) == OK;
}

size_t arch_backtrace(const struct kernel_registers *registers, uint64_t *address_out, size_t max)
{
    size_t count = 0;
    uint64_t at = (uint64_t)(uintptr_t)__builtin_frame_address(0);
    if (registers != NULL) {
        at = registers->frame.rbp;
        if (max > 0)
            address_out[count++] = registers->frame.rip;
    }
    while (count < max && frame_ok(at)) {
        const uint64_t *frame = (const uint64_t *)(uintptr_t)at;
        uint64_t next = frame[0];
        if (frame[1] == 0)
            break;
        address_out[count++] = frame[1];
        if (next <= at)
            break;
        at = next;
    }
    return count;
}
