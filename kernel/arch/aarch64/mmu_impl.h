/* The MMU's setup, between the files of this architecture. */
#pragma once

#include <base/status.h>
#include <kernel/addr.h>

struct boot_info;
struct cpu;

/* Boot CPU: own attributes and geometry, and the early tables in TTBR0. */
void mmu_early_init(const struct boot_info *info);
/* Map one page of device registers at its physical address, until mmu_early_end. */
enum status mmu_early_map_device(paddr_t pa);
/* Boot CPU: the early tables leave TTBR0. */
void mmu_early_end(void);
/* Each CPU: what depends on features, and its place among the ASIDs. */
void mmu_cpu_init(struct cpu *cpu);

/* Tests: few ASIDs, so that they are reused. Address spaces lose theirs; `limit` 0: all again. */
void mmu_limit_asids(uint32_t limit);
uint64_t mmu_asid_rollovers(void);
