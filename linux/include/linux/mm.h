/* The address space of a Linux process: areas in address order, and the guest that shows them.
 *
 * An area shows one of three things:
 *
 *     its own pages   private and anonymous, or private and written to: they lie in the mm's own
 *                     Memory, page at address A at offset A; after a fork in what the kernel copied
 *     a Memory        anonymous and shared
 *     a file's pages  where the node says that they lie. A private area shows them read-only and
 *                     makes pages its own at the first write to them, in a piece that is an area of
 *                     its own from then on
 *
 * The kernel resolves faults in what is mapped. What the personality has to do itself (mm_fault) is
 * rare: pages of large files, pages beyond what was a file's end, memory that is to be writable and
 * executable, which takes turns.
 *
 * Locking: `mm` for everything in struct mm and in areas. start, end, offset and space of an area
 * that is in its node's list of mappings change under that list's lock, too (mapping_lock), which
 * comes after `mm` and before a node's own; so a truncation needs no mm.
 */
#pragma once

#include <base/tree.h>
#include <guest.h>
#include <linux/abi/mman.h>
#include <linux/copy.h>
#include <linux/file.h>
#include <linux/lock.h>

struct guest_space;
struct memory;

/* One mapping as mmap made it, or a part of it. */
struct area {
    struct tree_node node;
    uint64_t start, end; /* whole pages */
    uint32_t protection; /* PROT_ */
    uint32_t flags;      /* MAP_SHARED or MAP_PRIVATE, MAP_GROWSDOWN, MAP_NORESERVE, MAP_STACK */
    struct file *file;   /* NULL: anonymous */
    uint64_t offset;     /* in the file or `memory`, of `start` */
    bool own;            /* its own pages; of a private area */
    bool copied;         /* and they lie where a fork put them, not in the mm's Memory */
    bool locked, dont_fork, wipe_on_fork;
    bool fixed_rights;     /* all processes share it, and none may write to it: the vDSO */
    struct memory *memory; /* anonymous and shared */
    struct list mapping;   /* in the node's, while it shows the file's pages */
    struct mm *mm;
};

struct mm {
    uint32_t references; /* atomic: tasks, and who looks from outside */
    uint64_t serial;     /* no other has it, nor ever had; not 0 */
    struct rt_lock lock;
    struct tree areas;
    unsigned area_count;
    struct guest_space *space;
    struct memory *anonymous; /* page at address A has offset A */
    bool lazy; /* atomic: there is what only mm_fault makes reachable; never false again */
    bool lock_future;
    uint64_t total_bytes, locked_bytes, data_bytes, stack_bytes, executable_bytes;
    uint64_t peak_bytes;
    uint64_t brk_start, brk, stack_top;
    uint64_t mmap_top; /* new mappings go below */
    uint64_t code_start, code_end, data_start, data_end;
    uint64_t argument_start, argument_end, environment_start, environment_end;
    uint64_t auxiliary[64]; /* as /proc/PID/auxv */
    uint64_t vdso;
    struct file *executable;
};

/* Empty; -ENOMEM. */
int mm_create(struct mm **mm_out);
int mm_fork(struct mm *source, struct mm **mm_out);
struct mm *mm_get(struct mm *mm);
void mm_put(struct mm *mm);
struct area *mm_find(struct mm *mm, uint64_t address); /* with the lock; the one that holds it */
/* With the lock: the first that ends above `address`, and the next; NULL. */
struct area *mm_find_above(struct mm *mm, uint64_t address);
struct area *area_next(const struct area *area);
/* As mmap: the address, or an error. */
struct mm_request {
    uint64_t address, size_bytes; /* a hint, or (MAP_FIXED) where it goes */
    uint32_t protection, flags;
    struct file *file; /* counted by the area; NULL: anonymous */
    uint64_t offset;
};
int64_t mm_map(struct mm *mm, const struct mm_request *request);
int mm_unmap(struct mm *mm, uint64_t address, uint64_t size_bytes);
int mm_protect(struct mm *mm, uint64_t address, uint64_t size_bytes, uint32_t protection);
/* Read and write another address space than the caller's, for a program's start, /proc/PID/mem and
 * process_vm_readv, with the rights of its areas. No lock may be held. Bytes done, or -EFAULT if
 * there was nothing. */
int64_t mm_read(struct mm *mm, uint64_t address, void *to, uint64_t size_bytes);
int64_t mm_write(struct mm *mm, uint64_t address, const void *from, uint64_t size_bytes);
/* Bytes of its own that are in memory, as far as that is known: what /proc calls RSS, and what
 * decides who goes when there is no memory left. */
uint64_t mm_resident(struct mm *mm);
/* A fault that the kernel did not resolve. 0: resolved, go on; else the signal, with its code and
 * address for the handler. */
struct fault_signal {
    int number, code;
    uint64_t address;
};
int mm_fault(struct mm *mm, const struct guest_fault *fault, struct fault_signal *signal_out);
/* Where a handler without SA_RESTORER returns to: rt_sigreturn in the vDSO (aarch64). */
uint64_t mm_sigreturn(const struct mm *mm);
/* For copies: make what is mapped in the range reachable, as far as it can be. `mm_resolve` says
 * whether a copy that failed at `address` is worth another try; it waits for no lock for long, so
 * it may be called with any. */
void mm_prepare(struct mm *mm, uint64_t address, uint64_t size_bytes);
bool mm_resolve(struct mm *mm, uint64_t address, bool write);
/* The node got shorter, or its contents lie elsewhere now: pages from there on are taken away
 * everywhere. The node's lock is not held. Afterwards nobody has the old ones in reach. */
void mm_truncate(struct node *node, uint64_t size_bytes);
