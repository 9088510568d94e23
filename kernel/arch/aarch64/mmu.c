/* The MMU: geometry, attributes, roots, and TLB maintenance.
 *
 * TTBR1 holds the kernel's root, the same for all. TTBR0 holds an address space's root with its
 * ASID, or an empty table. During boot it holds the early tables: an identity mapping of the page
 * from which TTBR1 is changed, and of the serial port, which the loader's direct map does not
 * cover.
 *
 * Order (Arm ARM K11.5): a changed table entry is made visible by DSB before the TLBI, and the TLBI
 * is complete, on all CPUs of the inner shareable domain, with the next DSB.
 */
#include "mmu_impl.h"

#include "asid.h"

#include <arch/mmu.h>
#include <arch/pte.h>
#include <guest.h>
#include <kernel/boot_info.h>
#include <kernel/ipi.h>
#include <kernel/vspace.h>

/* TCR_EL1 */
#define TCR_T0SZ(n) ((uint64_t)(n))
#define TCR_T1SZ(n) ((uint64_t)(n) << 16)
#define TCR_WALK_CACHED                                                                            \
    ((UINT64_C(0x35) << 8) | (UINT64_C(0x35) << 24)) /* inner shareable, write-back */
#define TCR_TG1_4K     (UINT64_C(2) << 30)
#define TCR_IPS(range) ((uint64_t)(range) << 32)
#define TCR_ASID_16    BIT64(36)
#define TCR_E0PD1      BIT64(56)
#define PARANGE_48     5u

enum { EARLY_TABLES = 8, FLUSH_ALL_PAGES = 256 };

/* Assembly knows the layout (entry.S). */
struct mmu_tables {
    uint64_t kernel_root;
    uint64_t empty_root;
    uint64_t identity_root;
    uint64_t trampoline;
    uint64_t mair;
    uint64_t tcr;
};

struct mmu_tables mmu_tables;
void mmu_setup(const struct mmu_tables *tables);
void mmu_switch_kernel_root(const struct mmu_tables *tables);
void mmu_trampoline(void);

static struct pte empty_table[PT_ENTRIES] ALIGNED(4096);
static struct pte early_table[EARLY_TABLES][PT_ENTRIES] ALIGNED(4096);
static size_t early_table_count = 1; /* [0] is the root */
static uint64_t image_offset;        /* virtual minus physical address of the image */

static struct spinlock asid_lock = SPINLOCK_INIT(RANK_ASID);
static struct asid_space asids;
static uint32_t asid_limit;

/* ---- Boot ---- */

static paddr_t image_paddr(const void *at)
{
    return paddr((uint64_t)(uintptr_t)at - image_offset);
}

/* The static tables are in the image, so the way back from an entry is a sum. */
static struct pte *early_next(struct pte *slot)
{
    if (!arch_pte_present(*slot)) {
        if (early_table_count == EARLY_TABLES)
            return NULL;
        *slot = arch_pte_table(image_paddr(early_table[early_table_count++]));
    }
    return (struct pte *)(uintptr_t)(arch_pte_paddr(*slot).raw + image_offset);
}

static enum status early_map(paddr_t pa, unsigned perm)
{
    struct pte *table = early_table[0];
    if (pa.raw >= USER_END)
        return ERR_RANGE;
    for (unsigned level = PT_LEVELS - 1; level > 0; level--) {
        table = early_next(&table[pt_index(pa.raw, level)]);
        if (table == NULL)
            return ERR_NO_MEMORY;
    }
    pa.raw = ALIGN_DOWN(pa.raw, (uint64_t)PAGE_SIZE);
    table[pt_index(pa.raw, 0)] = pte_leaf(pa, perm, 0);
    arch_pte_publish();
    return OK;
}

static uint64_t tcr_value(void)
{
    uint64_t mmfr0 = SYSREG_READ(id_aa64mmfr0_el1);
    uint64_t mmfr2 = SYSREG_READ(S3_0_C0_C7_2); /* ID_AA64MMFR2_EL1 */
    uint64_t tcr = TCR_T0SZ(16) | TCR_T1SZ(16) | TCR_WALK_CACHED | TCR_TG1_4K;
    tcr |= TCR_IPS(MIN(ID_FIELD(mmfr0, 0), PARANGE_48));
    if (ID_FIELD(mmfr0, 4) >= 2)
        tcr |= TCR_ASID_16;
    if (ID_FIELD(mmfr2, 60) != 0)
        tcr |= TCR_E0PD1; /* user accesses to kernel addresses fault without a walk */
    return tcr;
}

void mmu_early_init(const struct boot_info *info)
{
    image_offset = info->image_virtual - info->image_base.raw;
    mmu_tables.empty_root = image_paddr(empty_table).raw;
    mmu_tables.identity_root = image_paddr(early_table[0]).raw;
    mmu_tables.trampoline = image_paddr((const void *)(uintptr_t)mmu_trampoline).raw;
    mmu_tables.mair = MAIR_KERNEL_VALUE;
    mmu_tables.tcr = tcr_value();
    /* The hardware's come in pairs: the odd one is for a guest's second root. */
    asid_limit = (mmu_tables.tcr & TCR_ASID_16) != 0 ? 1u << 15 : 1u << 7;
    asid_space_init(&asids, asid_limit);
    ASSERT(early_map(paddr(mmu_tables.trampoline), PERM_READ | PERM_EXECUTE) == OK);
    mmu_setup(&mmu_tables);
}

enum status mmu_early_map_device(paddr_t pa)
{
    return early_map(pa, PERM_READ | PERM_WRITE | PERM_DEVICE);
}

static void set_user_root(uint64_t value)
{
    SYSREG_WRITE(ttbr0_el1, value);
    isb();
}

static void flush_local(void)
{
    __asm__ volatile("dsb nshst\n\ttlbi vmalle1\n\tdsb nsh\n\tisb" : : : "memory");
}

void mmu_early_end(void)
{
    set_user_root(mmu_tables.empty_root);
    flush_local();
}

void mmu_cpu_init(struct cpu *cpu)
{
    if (cpu->index + 3 > asid_limit)
        panic("CPU %u: more CPUs than address space identifiers", cpu->index);
    asid_attach(&asids, cpu->index, &cpu->arch.asid_word);
}

void arch_kernel_root_activate(paddr_t root)
{
    if (SYSREG_READ(ttbr1_el1) == root.raw)
        return; /* a secondary CPU came with it */
    mmu_tables.kernel_root = root.raw;
    mmu_switch_kernel_root(&mmu_tables);
}

/* ---- Address spaces ---- */

void arch_vspace_init(struct vspace *vspace)
{
    vspace->arch.asid_word = 0;
}

void arch_vspace_init_guest(struct vspace *vspace)
{
    (void)vspace; /* one pair of ASIDs serves both roots */
}

/* With ASID 0, which no address space has: what the CPU knows of the tables of the one that it
 * leaves, upper-level entries above all, it cannot use to walk them when they are freed.
 */
static void load_empty(void)
{
    set_user_root(mmu_tables.empty_root);
}

static_assert((int)GENERATION_SHIFT == (int)ASID_BITS, "above the ASID");

/* In its place in TTBR0 and in operands of TLBI. */
static uint64_t hardware_asid(uint64_t word, bool inside)
{
    return ((uint64_t)asid_of(word) << 1 | (inside ? 1 : 0)) << 48;
}

static void load_root(struct cpu *cpu, struct vspace *vspace)
{
    uint64_t *word = &vspace->arch.asid_word;
    if (UNLIKELY(!asid_try_activate(&asids, cpu->index, word))) {
        spinlock_acquire(&asid_lock);
        bool flush = asid_activate_locked(&asids, cpu->index, word);
        spinlock_release(&asid_lock);
        if (flush)
            flush_local();
    }
    /* Pairs with the DSB of arch_tlb_flush_user: it sees the ASID, or our walks see the new
     * entries. */
    DSB(ish);
    set_user_root(vspace->root.raw | hardware_asid(*word, false));
}

/* The bits stay until the space is freed, which is when somebody asks. Only this CPU changes its
 * own. */
static void enter(const struct cpu *cpu, struct vspace *vspace)
{
    if (!cpu_mask_test(&vspace->active, cpu->index))
        cpu_mask_set(&vspace->active, cpu->index);
    if (vspace->upper != NULL)
        enter(cpu, vspace->upper);
}

void arch_vspace_activate(struct vspace *vspace)
{
    struct cpu *cpu = cpu_self();
    if (vspace == cpu->vspace)
        return;
    if (vspace != NULL) {
        enter(cpu, vspace);
        load_root(cpu, vspace);
    } else {
        load_empty();
    }
    cpu->vspace = vspace;
    cpu->inside = false;
}

/* While a CPU has the address space active, its ASIDs stay the same. */
void arch_vspace_turn(struct vspace *vspace, bool inside)
{
    paddr_t root = inside ? vspace->inside_root : vspace->root;
    cpu_self()->inside = inside;
    set_user_root(root.raw | hardware_asid(READ_ONCE(vspace->arch.asid_word), inside));
}

static void forget(void *argument)
{
    if (cpu_self()->vspace == argument)
        arch_vspace_activate(NULL);
}

/* A CPU that idles may have it loaded still. The ASID comes back only with a new generation, which
 * begins with a flush: translations that are left under it are never used.
 */
void arch_vspace_fini(struct vspace *vspace)
{
    forget(vspace);
    ipi_call(&vspace->active, forget, vspace);
    vspace->arch.asid_word = 0;
}

/* ---- TLB ---- */

#define TLBI(operation, value)                                                                     \
    __asm__ volatile("tlbi " operation ", %0" : : "r"((uint64_t)(value)) : "memory")

#define TLBI_PAGE(address) (((address) >> PAGE_SHIFT) & (BIT64(44) - 1))

/* Under one ASID. */
static void flush_asid(uint64_t asid, uaddr_t at, size_t page_count, bool tables_too)
{
    if (page_count > FLUSH_ALL_PAGES) {
        TLBI("aside1is", asid);
        return;
    }
    for (size_t i = 0; i < page_count; i++) {
        uint64_t operand = asid | TLBI_PAGE(at.raw + i * PAGE_SIZE);
        if (tables_too)
            TLBI("vae1is", operand);
        else
            TLBI("vale1is", operand);
    }
}

/* Under all. */
static void flush_everywhere(uint64_t at, size_t page_count)
{
    if (page_count > FLUSH_ALL_PAGES) {
        __asm__ volatile("tlbi vmalle1is" : : : "memory");
    } else {
        for (size_t i = 0; i < page_count; i++)
            TLBI("vaae1is", TLBI_PAGE(at + i * PAGE_SIZE));
    }
}

/* The sandbox's part is in the roots of all of its guests, each with an ASID of its own. */
void arch_tlb_flush_user(struct vspace *vspace, uaddr_t at, size_t page_count, bool tables_too)
{
    DSB(ish);
    uint64_t word = __atomic_load_n(&vspace->arch.asid_word, __ATOMIC_RELAXED);
    if (vspace->shares_upper && at.raw + page_count * PAGE_SIZE > GUEST_END) {
        flush_everywhere(at.raw, page_count);
    } else if (word != 0) { /* 0: no CPU ever walked its tables */
        flush_asid(hardware_asid(word, false), at, page_count, tables_too);
        if (vspace->inside_root.raw != 0)
            flush_asid(hardware_asid(word, true), at, page_count, tables_too);
    }
    DSB(ish);
    isb();
}

/* All ASIDs and all levels: kernel entries are global, and tables may go with them. */
void arch_tlb_flush_kernel(vaddr_t at, size_t page_count)
{
    DSB(ishst);
    flush_everywhere(at.raw, page_count);
    DSB(ish);
    isb();
}

/* ---- Instructions ---- */

/* CTR_EL0: DIC and IDC say what need not be done; an aliasing instruction cache cannot be cleaned
 * by the kernel's address for a user's.
 */
void arch_sync_instructions(const void *kernel, size_t size_bytes)
{
    uint64_t ctr = SYSREG_READ(ctr_el0);
    uint64_t data_line = UINT64_C(4) << ((ctr >> 16) & 0xf);
    uint64_t start = (uint64_t)(uintptr_t)kernel;
    uint64_t end = start + size_bytes;

    if ((ctr & BIT64(28)) == 0) {
        for (uint64_t at = ALIGN_DOWN(start, data_line); at < end; at += data_line)
            __asm__ volatile("dc cvau, %0" : : "r"(at) : "memory");
    }
    DSB(ish);
    if ((ctr & BIT64(29)) == 0)
        __asm__ volatile("ic ialluis" : : : "memory");
    DSB(ish);
    isb();
}

/* ---- Tests ---- */

void mmu_limit_asids(uint32_t limit)
{
    spinlock_acquire(&asid_lock);
    asids.limit = limit == 0 ? asid_limit : limit;
    asids.next = asids.limit; /* the next allocation begins a new generation */
    spinlock_release(&asid_lock);
}

uint64_t mmu_asid_rollovers(void)
{
    spinlock_acquire(&asid_lock);
    uint64_t count = asids.rollovers;
    spinlock_release(&asid_lock);
    return count;
}
