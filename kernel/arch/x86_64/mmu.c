/* Address spaces on the CPU: roots, process context identifiers, and what flushes the TLB.
 *
 * vspace->active names the CPUs that have the space loaded; a CPU sets its bit before it loads the
 * root, so whoever changes tables finds every CPU that could use them. The bit stays when another
 * root is loaded, since most come back soon; the first flush that comes in vain clears it. Without
 * process context identifiers the same bookkeeping runs with a flush at every load.
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

/* Entries of the kernel's root that are in use: every root has them. */
static uint16_t kernel_entry[PT_ENTRIES / 2];
static unsigned kernel_entry_count;

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
    const struct pte *table = paddr_to_kernel(root);
    for (unsigned i = PT_ENTRIES / 2; i < PT_ENTRIES; i++) {
        if (pte_read(&table[i]).raw != 0)
            kernel_entry[kernel_entry_count++] = (uint16_t)i;
    }
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

static void root_init(paddr_t root, struct pcid_space *space)
{
    const struct pte *from = paddr_to_kernel(paddr(x86_kernel_root));
    struct pte *to = paddr_to_kernel(root);
    for (unsigned i = 0; i < kernel_entry_count; i++)
        pte_write(&to[kernel_entry[i]], pte_read(&from[kernel_entry[i]]));
    space->number = __atomic_add_fetch(&last_space_number, 1, __ATOMIC_RELAXED);
    space->generation = 1;
}

static void root_fini(paddr_t root)
{
    struct pte *table = paddr_to_kernel(root);
    for (unsigned i = 0; i < kernel_entry_count; i++)
        pte_write(&table[kernel_entry[i]], arch_pte_empty());
}

void arch_vspace_init(struct vspace *vspace)
{
    root_init(vspace->root, &vspace->arch.pcid);
}

/* All that the second root has is the first one's. */
void arch_vspace_init_guest(struct vspace *vspace)
{
    vspace->arch.pcid.upper = &vspace->upper->arch.pcid;
    if (vspace->inside_root.raw == 0)
        return;
    root_init(vspace->inside_root, &vspace->arch.inside);
    vspace->arch.inside.upper = &vspace->arch.pcid;
}

/* ---- Loading ---- */

/* PCID 0 is the kernel's own root, so slots count from 1. */
static NOINLINE void load(struct cpu *cpu, paddr_t root, struct pcid_space *space)
{
    uint64_t cr3 = root.raw;
    if (x86_features.pcid) {
        struct pcid_choice choice = pcid_choose(&cpu->arch.pcid, cpu->index, space);
        cr3 |= (choice.slot + 1) | (choice.flush ? 0 : CR3_NO_FLUSH);
    }
    write_cr3(cr3);
}

/* Only this CPU changes its bit. */
static void enter(const struct cpu *cpu, struct vspace *vspace)
{
    if (!cpu_mask_test(&vspace->active, cpu->index))
        cpu_mask_set(&vspace->active, cpu->index);
    if (vspace->upper != NULL)
        enter(cpu, vspace->upper);
}

static void leave(const struct cpu *cpu, struct vspace *old)
{
    if (old == NULL)
        return;
    cpu_mask_clear(&old->active, cpu->index);
    leave(cpu, old->upper);
}

static void load_kernel_root(struct cpu *cpu)
{
    struct vspace *old = cpu->vspace;
    write_cr3(x86_kernel_root);
    cpu->vspace = NULL;
    cpu->inside = false;
    leave(cpu, old);
}

void arch_vspace_activate(struct vspace *vspace)
{
    struct cpu *cpu = cpu_self();
    if (vspace == cpu->vspace)
        return;
    if (vspace == NULL) {
        load_kernel_root(cpu);
        return;
    }
    enter(cpu, vspace);
    load(cpu, vspace->root, &vspace->arch.pcid);
    cpu->vspace = vspace;
    cpu->inside = false;
}

/* Without identifiers every load flushes. */
void arch_vspace_turn(struct vspace *vspace, bool inside)
{
    struct cpu *cpu = cpu_self();
    paddr_t root = inside ? vspace->inside_root : vspace->root;
    cpu->inside = inside;
    if (!x86_features.pcid)
        write_cr3(root.raw);
    else
        load(cpu, root, inside ? &vspace->arch.inside : &vspace->arch.pcid);
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
    root_fini(vspace->root);
    if (vspace->inside_root.raw != 0)
        root_fini(vspace->inside_root);
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

static bool is_loaded(const struct cpu *cpu, const struct vspace *vspace)
{
    const struct vspace *loaded = cpu->vspace;
    return loaded != NULL && (loaded == vspace || loaded->upper == vspace);
}

/* Which root of which address space; NULL: the kernel's. */
static const struct pcid_space *loaded_on(const struct cpu *cpu)
{
    const struct vspace *vspace = cpu->vspace;
    if (vspace == NULL)
        return NULL;
    return cpu->inside ? &vspace->arch.inside : &vspace->arch.pcid;
}

static void flush_user(void *argument)
{
    const struct flush *flush = argument;
    struct cpu *cpu = cpu_self();
    const struct pcid_space *loaded = loaded_on(cpu);
    const struct pcid_space *flushed = &flush->vspace->arch.pcid;
    if (loaded == NULL || (loaded != flushed && loaded->upper != flushed)) {
        /* The generation makes it flush when it comes back. */
        if (!is_loaded(cpu, flush->vspace))
            cpu_mask_clear(&flush->vspace->active, cpu->index);
        return;
    }
    enum pcid_flush what = PCID_FLUSH_RANGE; /* without identifiers every load was a full flush */
    if (x86_features.pcid)
        what = pcid_flush_arrives(&cpu->arch.pcid, loaded, flushed, flush->generation);
    switch (what) {
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
