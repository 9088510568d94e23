/* Address spaces as the hardware sees them. arch_impl/mmu.h defines struct arch_vspace (identifiers
 * and generations: PCID slots per CPU on x86_64, a global ASID generation on aarch64).
 */
#pragma once

#include <base/status.h>
#include <kernel/addr.h>

struct vspace;

/* Prepare a new, zeroed user root (vspace->root) and the identifiers. On x86_64 one root serves
 * both halves, so the kernel's entries (256 to 511) are copied into it; on aarch64 the kernel half
 * has a root of its own.
 */
void arch_vspace_init(struct vspace *vspace);
/* The same for what a guest's has beside it: the second root, if any, and the sandbox's part. */
void arch_vspace_init_guest(struct vspace *vspace);
/* No CPU runs it any more: drop identifiers, so that a later space under the same ones is clean. */
void arch_vspace_fini(struct vspace *vspace);
/* Run on this address space from now on; NULL: on none (idle keeps the last one unless it dies). */
void arch_vspace_activate(struct vspace *vspace);
/* From one root of the active, split guest's address space to the other (cpu->inside). */
void arch_vspace_turn(struct vspace *vspace, bool inside);

/* When it returns, no CPU uses a translation of [at, at + count pages) of `vspace` that was removed
 * or narrowed before the call; `tables_too`: nor a cached upper-level entry. Local flush plus cross
 * calls or broadcast. Locks may be held (see ipi.h).
 */
void arch_tlb_flush_user(struct vspace *vspace, uaddr_t at, size_t page_count, bool tables_too);
/* The same for kernel addresses, on all online CPUs. */
void arch_tlb_flush_kernel(vaddr_t at, size_t page_count);

/* The kernel's root: set the table kmap_init built, on this CPU. */
void arch_kernel_root_activate(paddr_t root);
/* Make instructions that were just written visible to execution (user code copied by the kernel).
 */
void arch_sync_instructions(const void *kernel, size_t size_bytes);

#include <arch_impl/mmu.h>
