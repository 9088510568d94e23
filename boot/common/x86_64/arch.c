/* x86_64: facts, page table entries, and the ends of the machine. */

#include "cpu.h"

#include <boot/arch.h>
#include <boot/elf.h>

const uint16_t arch_elf_machine = ELF_MACHINE_X86_64;
const char arch_config_name[] = "x86-64";
const uint64_t arch_hhdm_base = 0xffff800000000000;
const uint64_t arch_physical_limit = UINT64_C(1) << 46;
const bool arch_root_shared = true;

/* Below 4 GiB a 1 GiB page would span memory and devices, which the MTRRs tell apart. */
const unsigned arch_hhdm_level = 1;

#define PTE_PRESENT   BIT64(0)
#define PTE_WRITE     BIT64(1)
#define PTE_LARGE     BIT64(7)  /* levels above 0 */
#define PTE_PAT       BIT64(7)  /* level 0 */
#define PTE_PAT_LARGE BIT64(12) /* levels above 0 */
#define PTE_PWT       BIT64(3)
#define PTE_NO_EXEC   BIT64(63)

#define CPUID_NX    BIT64(20) /* 0x80000001, edx */
#define CPUID_1_GIB BIT64(26)

unsigned arch_leaf_level_max(void)
{
    return (cpuid_extended(0x80000001).edx & CPUID_1_GIB) != 0 ? 2 : 1;
}

static bool cpu_has_no_exec(void)
{
    return (cpuid_extended(0x80000001).edx & CPUID_NX) != 0;
}

uint64_t arch_leaf(uint64_t physical, unsigned flags, unsigned level)
{
    static int no_exec = -1;
    if (no_exec < 0)
        no_exec = cpu_has_no_exec();

    uint64_t entry = physical | PTE_PRESENT;
    if ((flags & LEAF_WRITE) != 0)
        entry |= PTE_WRITE;
    if ((flags & LEAF_EXEC) == 0 && no_exec > 0)
        entry |= PTE_NO_EXEC;
    if (level > 0)
        entry |= PTE_LARGE;
    /* PAT entry 5: write combining. */
    if ((flags & LEAF_FRAMEBUFFER) != 0)
        entry |= PTE_PWT | (level > 0 ? PTE_PAT_LARGE : PTE_PAT);
    return entry;
}

uint64_t arch_table(uint64_t physical)
{
    return physical | PTE_PRESENT | PTE_WRITE;
}

/* Caches are coherent with instruction fetch. */
void arch_sync_code(const void *memory, size_t size_bytes)
{
    (void)memory;
    (void)size_bytes;
}

void arch_stop(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* The emulator's debug exit device: its process ends with 2 * value + 1. */
void arch_exit_emulator(unsigned code)
{
    out8(0xf4, (uint8_t)(code >> 1));
}
