/* Address spaces on the CPU: roots, process context identifiers, and what flushes the TLB.
 *
 * vspace->active names the CPUs that have the space loaded; a CPU sets its bit before it loads the
 * root and clears it after it has loaded another, so whoever changes tables finds every CPU that
 * could use them. Without process context identifiers the same bookkeeping runs with a flush at
 * every load.
 */
#include "regs.h"
#include "x86.h"
#include <arch/mmu.h>
#include <arch/pte.h>
#include <kernel/ipi.h>
#include <kernel/vspace.h>

/* Dropping more pages than this one by one costs more than starting afresh. */
enum { FLUSH_SINGLE_MAX = 32 };

_Static_assert((unsigned)PCID_CPU_MAX >= CPU_MAX, "slot hints are indexed by CPU");

uint64_t x86_kernel_root;

static uint64_t last_space_number; /* [A] */

/* Of the current identifier; invlpg and this both drop cached upper-level entries too. */
static void flush_current(void)
{
    write_cr3(read_cr3() & ~CR3_NO_FLUSH);
}

/* Switching global pages off and on drops everything under every identifier. */
static void flush_everything(void)
{
    uint64_t cr4 = read_cr4();
    if ((cr4 & CR4_PGE) == 0) {
        flush_current();
        return;
    }
    write_cr4(cr4 & ~CR4_PGE);
    write_cr4(cr4);
}

void arch_kernel_root_activate(paddr_t root)
{
    x86_kernel_root = root.raw;
    write_cr3(root.raw);
    flush_everything(); /* the loader's entries too that may be global */
}

void arch_sync_instructions(const void *kernel, size_t size_bytes)
{
    /* Instruction fetches are coherent with stores. */
    (void)kernel;
    (void)size_bytes;
}

void arch_vspace_init(struct vspace *vspace)
{
    const struct pte *from = paddr_to_kernel(paddr(x86_kernel_root));
    struct pte *to = paddr_to_kernel(vspace->root);
    for (unsigned i = PT_ENTRIES / 2; i < PT_ENTRIES; i++)
        pte_write(&to[i], pte_read(&from[i]));
    vspace->arch.pcid.number = __atomic_add_fetch(&last_space_number, 1, __ATOMIC_RELAXED);
    vspace->arch.pcid.generation = 1;
}

/* ---- Loading ---- */

/* PCID 0 is the kernel's own root, so slots count from 1. */
static uint64_t cr3_of(const struct vspace *vspace, struct pcid_choice choice)
{
    if (!x86_features.pcid)
        return vspace->root.raw;
    return vspace->root.raw | (choice.slot + 1) | (choice.flush ? 0 : CR3_NO_FLUSH);
}

static void load(struct cpu *cpu, struct vspace *vspace)
{
    cpu_mask_set(&vspace->active, cpu->index);
    struct pcid_choice choice = pcid_choose(&cpu->arch.pcid, cpu->index, &vspace->arch.pcid);
    write_cr3(cr3_of(vspace, choice));
}

static void leave(struct cpu *cpu, struct vspace *vspace)
{
    if (vspace != NULL)
        cpu_mask_clear(&vspace->active, cpu->index);
}

static void load_kernel_root(struct cpu *cpu)
{
    struct vspace *old = cpu->vspace;
    write_cr3(x86_kernel_root);
    cpu->vspace = NULL;
    leave(cpu, old);
}

void arch_vspace_activate(struct vspace *vspace)
{
    struct cpu *cpu = cpu_self();
    struct vspace *old = cpu->vspace;
    if (vspace == old)
        return;
    if (vspace == NULL) {
        load_kernel_root(cpu);
        return;
    }
    load(cpu, vspace);
    cpu->vspace = vspace;
    leave(cpu, old);
}

static void forget(void *argument)
{
    struct cpu *cpu = cpu_self();
    if (cpu->vspace == argument)
        load_kernel_root(cpu);
}

/* Numbers are never used again, so slots that still carry this one harm nobody. CPUs that idle on
 * the root must let go of it before its frame is freed.
 */
void arch_vspace_fini(struct vspace *vspace)
{
    forget(vspace);
    ipi_call(&vspace->active, forget, vspace);
}

/* ---- Flushing ---- */

struct flush {
    struct vspace *vspace;
    uint64_t at;
    size_t page_count;
    uint64_t generation;
};

static void flush_pages(uint64_t at, size_t page_count)
{
    for (size_t i = 0; i < page_count; i++)
        invlpg(at + i * PAGE_SIZE);
}

static void flush_user(void *argument)
{
    const struct flush *flush = argument;
    struct cpu *cpu = cpu_self();
    if (cpu->vspace != flush->vspace)
        return; /* the generation makes it flush when it comes back */
    switch (pcid_flush_arrives(&cpu->arch.pcid, &flush->vspace->arch.pcid, flush->generation)) {
    case PCID_FLUSH_NOTHING:
        break;
    case PCID_FLUSH_RANGE:
        if (flush->page_count <= FLUSH_SINGLE_MAX) {
            flush_pages(flush->at, flush->page_count);
            break;
        }
        flush_current();
        break;
    case PCID_FLUSH_ALL:
        flush_current();
        break;
    }
}

/* Every CPU that may hold a translation is in `active`, or compares generations before it uses one.
 */
void arch_tlb_flush_user(struct vspace *vspace, uaddr_t at, size_t page_count, bool tables_too)
{
    (void)tables_too; /* every flush here takes them along */
    struct flush flush = {
        .vspace = vspace,
        .at = at.raw,
        .page_count = page_count,
        .generation = __atomic_add_fetch(&vspace->arch.pcid.generation, 1, __ATOMIC_SEQ_CST),
    };
    flush_user(&flush);
    ipi_call(&vspace->active, flush_user, &flush);
}

/* With identifiers, invlpg leaves upper-level entries that other identifiers have cached; the
 * kernel's tables may go away too.
 */
static void flush_kernel(void *argument)
{
    const struct flush *flush = argument;
    if (!x86_features.pcid && flush->page_count <= FLUSH_SINGLE_MAX)
        flush_pages(flush->at, flush->page_count);
    else
        flush_everything();
}

void arch_tlb_flush_kernel(vaddr_t at, size_t page_count)
{
    struct flush flush = { .at = at.raw, .page_count = page_count };
    struct cpu_mask all = cpu_mask_all();
    flush_kernel(&flush);
    ipi_call(&all, flush_kernel, &flush);
}
