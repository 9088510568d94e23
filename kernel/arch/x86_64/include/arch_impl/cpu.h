/* What an x86_64 CPU needs of its own. GS base points here while the kernel runs; entry code finds
 * the current thread and the kernel stack through it.
 */
#pragma once

#include <arch_impl/pcid.h>
#include <base/compiler.h>
#include <stdbool.h>
#include <stdint.h>

struct cpu;

/* Descriptor order is fixed by syscall and sysret (AMD64 APM vol. 2, 6.1.1): kernel code, kernel
 * data, and for sysret user data before user code. A TSS descriptor takes two places.
 */
enum {
    GDT_NULL,
    GDT_KERNEL_CODE,
    GDT_KERNEL_DATA,
    GDT_USER_DATA,
    GDT_USER_CODE,
    GDT_TSS,
    GDT_COUNT = GDT_TSS + 2,
};

#define SELECTOR_KERNEL_CODE (GDT_KERNEL_CODE << 3)
#define SELECTOR_KERNEL_DATA (GDT_KERNEL_DATA << 3)
#define SELECTOR_USER_DATA   (GDT_USER_DATA << 3 | 3)
#define SELECTOR_USER_CODE   (GDT_USER_CODE << 3 | 3)
#define SELECTOR_TSS         (GDT_TSS << 3)

/* Stacks for events that may arrive anywhere, one each; numbers as in an IDT gate. */
enum { IST_NONE, IST_DOUBLE_FAULT, IST_NMI, IST_MACHINE_CHECK, IST_COUNT };

enum { IST_STACK_BYTES = 8192 };

struct tss {
    uint32_t reserved_0;
    uint64_t rsp[3]; /* rsp[0]: the end of the current thread's frame */
    uint64_t reserved_1;
    uint64_t ist[7];
    uint64_t reserved_2;
    uint16_t reserved_3;
    uint16_t io_map_base;
} PACKED;

struct arch_cpu {
    struct cpu *self;       /* gs:0 */
    uint64_t scratch;       /* the user's stack pointer between two instructions */
    uint32_t tables_loaded; /* [A] an NMI is survivable: descriptor tables are in place */
    uint32_t stopped;       /* [A] for good, by arch_stop_others */
    struct tss tss ALIGNED(16);
    uint64_t gdt[GDT_COUNT];
    void *ist_top[IST_COUNT]; /* each holds the CPU's address in its topmost word */

    bool vector_on;       /* the vector unit is open: it holds the current thread's state */
    uint64_t timer_ns;    /* when trap_timer is wanted; UINT64_MAX: never */
    uint64_t tsc_offset;  /* added to the time stamp counter: 0 where the machine has them equal */
    struct pcid_cpu pcid; /* which address spaces the TLB may know */
    uint32_t quick_word;  /* this CPU's place in a mask of CPUs, */
    uint64_t quick_bit;   /* or 0 with process context identifiers */
};

/* What this machine has and the kernel uses. Filled by x86_features_probe on the boot CPU. */
struct x86_features {
    bool pge, smep, smap, umip, fsgsbase, pcid, x2apic, tsc_deadline, tsc_adjust;
    bool xsave;          /* with XSAVEOPT */
    bool keeps_pointers; /* restoring x87 state leaves the last instruction's addresses as they were
                          */
};
extern struct x86_features x86_features;

extern char x86_cpu_self_order;

/* Not volatile, so that a function reads it once; the made-up memory operand keeps it behind calls
 * (arch_cpu_set_self among them).
 */
static inline struct cpu *arch_cpu_self(void)
{
    struct cpu *cpu;
    __asm__("mov %%gs:0, %0" : "=r"(cpu) : "m"(x86_cpu_self_order));
    return cpu;
}

static inline struct arch_cpu *arch_cpu_self_arch(void)
{
    return (struct arch_cpu *)(void *)arch_cpu_self(); /* its first member */
}

static inline void arch_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

static inline void arch_idle(void)
{
    /* sti takes effect after the next instruction: no interrupt is served before hlt waits for it.
     */
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}
