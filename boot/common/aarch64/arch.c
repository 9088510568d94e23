/* aarch64: facts, page table entries, caches, and the ends of the machine. */

#include "cpu.h"

#include <boot/arch.h>
#include <boot/elf.h>

const uint16_t arch_elf_machine = ELF_MACHINE_ARM64;
const char arch_config_name[] = "aarch64";
const uint64_t arch_hhdm_base = 0xffff000000000000;
const uint64_t arch_physical_limit = UINT64_C(1) << 47;
const bool arch_root_shared = false;
const unsigned arch_hhdm_level = 2;

/* Arm ARM D8.3: attribute index 0 is write-back memory, 2 uncached memory (see smp.c). */
#define PTE_VALID     BIT64(0)
#define PTE_TABLE     BIT64(1) /* table at levels above 0, page at level 0 */
#define PTE_UNCACHED  (UINT64_C(2) << 2)
#define PTE_READ_ONLY BIT64(7)
#define PTE_INNER     (UINT64_C(3) << 8)
#define PTE_ACCESSED  BIT64(10)
#define PTE_PXN       BIT64(53)
#define PTE_UXN       BIT64(54)

unsigned arch_leaf_level_max(void)
{
    return 2;
}

uint64_t arch_leaf(uint64_t physical, unsigned flags, unsigned level)
{
    uint64_t entry = physical | PTE_VALID | PTE_ACCESSED | PTE_INNER | PTE_UXN;
    if (level == 0)
        entry |= PTE_TABLE;
    if ((flags & LEAF_WRITE) == 0)
        entry |= PTE_READ_ONLY;
    if ((flags & LEAF_EXEC) == 0)
        entry |= PTE_PXN;
    if ((flags & LEAF_FRAMEBUFFER) != 0)
        entry |= PTE_UNCACHED;
    return entry;
}

uint64_t arch_table(uint64_t physical)
{
    return physical | PTE_VALID | PTE_TABLE;
}

/* To the point of coherency: CPUs that start with their MMU off read past the caches. */
void arch_sync_code(const void *memory, size_t size_bytes)
{
    uint64_t line = UINT64_C(4) << (SYSREG_READ(ctr_el0) >> 16 & 15);
    uint64_t at = ALIGN_DOWN((uint64_t)(uintptr_t)memory, line);
    uint64_t end = (uint64_t)(uintptr_t)memory + size_bytes;

    for (; at < end; at += line)
        __asm__ volatile("dc cvac, %0" : : "r"(at) : "memory");
    __asm__ volatile("dsb sy; ic ialluis; dsb sy; isb" : : : "memory");
}

void arch_stop(void)
{
    for (;;)
        __asm__ volatile("msr daifset, #15; wfi");
}

/* Semihosting's SYS_EXIT with ADP_Stopped_ApplicationExit and the code. */
void arch_exit_emulator(unsigned code)
{
    const uint64_t block[2] = { 0x20026, code };
    register uint64_t operation __asm__("x0") = 0x18;
    register const uint64_t *argument __asm__("x1") = block;
    __asm__ volatile("hlt #0xf000" : : "r"(operation), "r"(argument) : "memory");
}
