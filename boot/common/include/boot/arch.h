/* What the core asks of the CPU: page table entries, the other CPUs, and the jump. */
#pragma once

#include <boot/platform.h>

/* Facts of the architecture; defined in boot/common/ARCH/arch.c. */
extern const uint16_t arch_elf_machine;    /* e_machine of a kernel */
extern const char arch_config_name[];      /* the value of limine.conf's macro ARCH */
extern const uint64_t arch_hhdm_base;      /* where the direct map begins */
extern const unsigned arch_hhdm_level;     /* the largest page below 4 GiB: see arch_leaf() */
extern const uint64_t arch_physical_limit; /* physical memory above it is not mapped */

/* Page table entries. Four levels of 512 entries; level 0 maps 4 KiB, 1 2 MiB, 2 1 GiB. */
enum { LEAF_WRITE = 1, LEAF_EXEC = 2, LEAF_FRAMEBUFFER = 4 };
uint64_t arch_leaf(uint64_t physical, unsigned flags, unsigned level);
uint64_t arch_table(uint64_t physical);
/* The largest level that this CPU can map with one entry. */
unsigned arch_leaf_level_max(void);
/* True if one root serves both halves of the address space. */
extern const bool arch_root_shared;

/* A CPU, as firmware lists it. */
struct boot_cpu {
    uint64_t hardware_id; /* LAPIC id or MPIDR */
    uint32_t acpi_uid;
};

struct boot_cpu_list {
    size_t count;
    struct boot_cpu cpu[256];
};

/* All CPUs that may run, the one that runs now among them (also if firmware lists none). */
void arch_cpus_find(const struct boot_platform *platform, struct boot_cpu_list *list_out);
/* Hardware id of the CPU that runs. */
uint64_t arch_cpu_id(void);

/* All that is fixed when the kernel is entered. Addresses are virtual, roots physical. */
struct handoff {
    uint64_t root_low;
    uint64_t root_high;
    uint64_t entry;
    uint64_t stack_top;
    bool x2apic_wanted; /* the kernel's; becomes whether it is in use */
    void *page;         /* where arch_prepare() put the code that changes address spaces */
};

/* One CPU to park. The kernel sees `info` through the direct map. */
struct handoff_cpu {
    struct limine_smp_info *info; /* physical */
    uint64_t stack_top;
    uint64_t hardware_id;
};

/* While the firmware still runs: get and fill the page for the handoff; its address is mapped by
 * the core at its own physical address in both roots.
 */
void arch_prepare(struct boot_platform *platform, struct handoff *handoff);
/* After exit_firmware: mask interrupt controllers, set what the protocol wants of this CPU. */
void arch_quiesce(const struct boot_platform *platform, struct handoff *handoff);
/* Start a CPU and wait until it is parked; false if it never will be, so that the kernel may use
 * the memory that was meant for it.
 */
bool arch_cpu_start(struct handoff *handoff, const struct handoff_cpu *cpu);
NORETURN void arch_enter(const struct handoff *handoff);

/* Make what was written at `memory` visible to instruction fetch and to CPUs without caches. */
void arch_sync_code(const void *memory, size_t size_bytes);

NORETURN void arch_stop(void);
/* Returns if there is no emulator that listens. */
void arch_exit_emulator(unsigned code);
