/* Address spaces without hardware: what a translation would be is read from the tables each time,
 * so there is nothing to flush; what a flush requires is checked all the same.
 */
#include <arch/context.h>
#include <arch/mmu.h>
#include <arch/pte.h>
#include <arch/simulation.h>
#include <arch/uaccess.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/thread.h>
#include <kernel/vspace.h>
#include <stdlib.h>
#include <string.h>

static uint64_t synced_bytes;

uint64_t simulation_synced_bytes(void)
{
    return synced_bytes;
}

void arch_vspace_init(struct vspace *vspace)
{
    vspace->arch.live = true;
}

void arch_vspace_init_guest(struct vspace *vspace)
{
    ASSERT(vspace->arch.live);
}

void arch_vspace_turn(struct vspace *vspace, bool inside)
{
    ASSERT(vspace == cpu_self()->vspace);
    cpu_self()->inside = inside;
}

void arch_vspace_fini(struct vspace *vspace)
{
    ASSERT(vspace->arch.live);
    for (uint32_t i = 0; i < cpu_count; i++)
        ASSERT(cpu_get(i)->vspace != vspace);
    vspace->arch.live = false;
}

void arch_vspace_activate(struct vspace *vspace)
{
    struct cpu *cpu = cpu_self();
    struct vspace *previous = cpu->vspace;

    if (vspace == previous)
        return;
    if (vspace != NULL)
        cpu_mask_set(&vspace->active, cpu->index);
    cpu->vspace = vspace;
    cpu->inside = false;
    if (previous != NULL)
        cpu_mask_clear(&previous->active, cpu->index);
}

void arch_tlb_flush_user(struct vspace *vspace, uaddr_t at, size_t page_count, bool tables_too)
{
    (void)tables_too;
    ASSERT(vspace->arch.live && uaddr_range_ok(at, (uint64_t)page_count << PAGE_SHIFT));
}

void arch_tlb_flush_kernel(vaddr_t at, size_t page_count)
{
    (void)at;
    (void)page_count;
}

void arch_kernel_root_activate(paddr_t root)
{
    ASSERT(root.raw != 0);
}

void arch_sync_instructions(const void *kernel, size_t size_bytes)
{
    ASSERT(kernel != NULL);
    synced_bytes += size_bytes;
}

/* The walk that hardware would do; NULL if it would fault. */
static char *translate(const struct vspace *vspace, uaddr_t at, unsigned access)
{
    const struct pte *table = paddr_to_kernel(vspace->root);

    for (unsigned level = PT_LEVELS; level-- > 0;) {
        struct pte pte = pte_read(&table[pt_index(at.raw, level)]);
        uint64_t inside = at.raw & (((uint64_t)PAGE_SIZE << (9 * level)) - 1);
        if (!arch_pte_present(pte))
            return NULL;
        if (arch_pte_is_leaf(pte, level)) {
            unsigned perm = arch_pte_perm(pte);
            bool allowed = (perm & PERM_USER) != 0 && (perm & access) == access;
            return allowed ? (char *)paddr_to_kernel(arch_pte_paddr(pte)) + inside : NULL;
        }
        table = paddr_to_kernel(arch_pte_paddr(pte));
    }
    return NULL;
}

/* A pointer to the byte, after at most one fault. */
static char *user_byte(struct vspace *vspace, uaddr_t at, unsigned access)
{
    char *byte = translate(vspace, at, access);

    if (byte == NULL && vspace_fault(vspace, at, access) == OK)
        byte = translate(vspace, at, access);
    return byte;
}

bool simulation_user_access(struct vspace *vspace, uaddr_t at, unsigned access, uint8_t *byte)
{
    char *memory = user_byte(vspace, at, access);

    if (memory == NULL)
        return false;
    if ((access & PERM_WRITE) != 0)
        *memory = (char)*byte;
    else
        *byte = (uint8_t)*memory;
    return true;
}

size_t arch_copy_from_user(void *to, uaddr_t from, size_t size_bytes)
{
    for (; size_bytes > 0; size_bytes--, from.raw++) {
        const char *byte = user_byte(cpu_self()->vspace, from, PERM_READ);
        if (byte == NULL)
            break;
        *(char *)to = *byte;
        to = (char *)to + 1;
    }
    return size_bytes;
}

size_t arch_copy_to_user(uaddr_t to, const void *from, size_t size_bytes)
{
    for (; size_bytes > 0; size_bytes--, to.raw++) {
        char *byte = user_byte(cpu_self()->vspace, to, PERM_WRITE);
        if (byte == NULL)
            break;
        *byte = *(const char *)from;
        from = (const char *)from + 1;
    }
    return size_bytes;
}

void arch_thread_init(struct thread *thread)
{
    thread->arch.thread_pointer = 0;
}

size_t arch_thread_extra_bytes(void)
{
    return 0;
}

void arch_thread_fini(struct thread *thread)
{
    (void)thread;
}

void arch_thread_switch(struct thread *previous, struct thread *next)
{
    (void)previous;
    (void)next;
}
