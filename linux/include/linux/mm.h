/* The address space of a Linux process: areas in address order, and the guest that shows them. */
#pragma once

#include <base/tree.h>
#include <guest.h>
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
    uint32_t flags;      /* MAP_SHARED, MAP_PRIVATE, MAP_GROWSDOWN ... */
    struct file *file;   /* NULL: anonymous */
    uint64_t offset;     /* in the file, of `start` */
    /* Anonymous shared memory; private anonymous pages lie in the mm's own Memory. */
    struct memory *memory;
    struct list mapping; /* in the node's, when shared */
    struct mm *mm;
};

struct mm {
    uint32_t references; /* atomic: tasks, and who looks from outside */
    struct rt_lock lock;
    struct tree areas;
    struct guest_space *space;
    struct memory *anonymous; /* page at address A has offset A */
    uint64_t total_bytes, locked_bytes, data_bytes;
    uint64_t brk_start, brk, stack_top;
    uint64_t mmap_top; /* new mappings go below */
    uint64_t argument_start, argument_end, environment_start, environment_end;
    uint64_t vdso;
    struct file *executable;
};

int mm_create(struct mm **mm_out);
int mm_fork(struct mm *source, struct mm **mm_out);
struct mm *mm_get(struct mm *mm);
void mm_put(struct mm *mm);
struct area *mm_find(struct mm *mm, uint64_t address); /* with the lock; the one that holds it */
/* As mmap: the address, or an error. `file` is counted by the area. `address` a hint, or fixed. */
int64_t mm_map(struct mm *mm, uint64_t address, uint64_t size_bytes, uint32_t protection,
               uint32_t flags, struct file *file, uint64_t offset);
int mm_unmap(struct mm *mm, uint64_t address, uint64_t size_bytes);
int mm_protect(struct mm *mm, uint64_t address, uint64_t size_bytes, uint32_t protection);
/* A fault that the kernel did not resolve. 0: resolved, go on; else the signal, with its code and
 * address for the handler. */
struct fault_signal {
    int number, code;
    uint64_t address;
};
int mm_fault(struct mm *mm, const struct guest_fault *fault, struct fault_signal *signal_out);
/* Where a handler without SA_RESTORER returns to: rt_sigreturn in the vDSO (aarch64). */
uint64_t mm_sigreturn(const struct mm *mm);
/* The node got shorter: pages from there on are taken away everywhere. */
void mm_truncate(struct node *node, uint64_t size_bytes);
