/* What the files of this directory share, and nobody else sees. */
#pragma once

#include <arch/trap.h>
#include <base/status.h>
#include <kernel/cpu.h>

struct thread;

/* For assembly: the same as x86_features.smap. */
extern uint8_t x86_smap;

/* Interrupt vectors. Exceptions below 32, the 8259s' unwanted ones in 32..47, then lines. */
enum {
    VECTOR_PIC = 0x20,
    VECTOR_LINE_FIRST = 0x30,
    VECTOR_LINE_LAST = 0xef,
    VECTOR_TIMER = 0xf0,
    VECTOR_IPI = 0xf1,
    VECTOR_APIC_ERROR = 0xfe,
    VECTOR_SPURIOUS = 0xff,
};

enum {
    EXCEPTION_DEBUG = 1,
    EXCEPTION_NMI = 2,
    EXCEPTION_DEVICE_NOT_AVAILABLE = 7,
    EXCEPTION_DOUBLE_FAULT = 8,
    EXCEPTION_PAGE_FAULT = 14,
    EXCEPTION_MACHINE_CHECK = 18,
    EXCEPTION_COUNT = 32,
};

/* Registers of interrupted kernel code: the same order as a user's frame. */
struct kernel_registers {
    struct trap_frame frame;
};

/* segment.c: descriptor tables. */
void x86_tables_init_boot_cpu(struct cpu *cpu);
bool x86_tables_create(struct cpu *cpu); /* the stacks of an AP; false: no memory */
void x86_tables_load(struct cpu *cpu);

/* features.c */
void x86_features_probe(void);
void x86_control_registers_init(void);

/* lapic.c: the local interrupt controller and its timer. */
void x86_lapic_init(void);     /* once: find and map it */
void x86_lapic_cpu_init(void); /* each CPU */
void x86_lapic_eoi(void);
void x86_lapic_error(void);
uint32_t x86_lapic_id(void);
void x86_lapic_send_nmi(const struct cpu *cpu);
#ifdef CONFIG_TESTS
void x86_lapic_send_self(unsigned vector);
#endif
void x86_lapic_timer_start_counting(void); /* for the calibration, from the largest count down */
uint32_t x86_lapic_timer_counted(void);
void x86_lapic_timer_set_rate(uint64_t count_hz);
void x86_timer_interrupt(void);

/* ioapic.c: interrupt lines, and the 8259s that must keep quiet. */
void x86_ioapic_init(void);
void x86_pic_mask(void);
void x86_pic_interrupt(unsigned vector);
/* The line that a vector stands for; false if none. */
bool x86_line_of_vector(unsigned vector, unsigned *line_out);
/* The GSI of an ISA interrupt. */
unsigned x86_line_of_isa(uint8_t isa_irq);

/* clock.c */
void x86_clock_init(void);
/* This CPU's counter when `span_ns` from now have passed, or a little later. Never 0. */
uint64_t x86_clock_tsc_after(uint64_t span_ns);
/* A secondary's counter is compared with the boot CPU's: prepare, release the CPU, meet it. The
 * secondary calls the last one. False: the other never came, or has given up.
 */
void x86_clock_meeting_prepare(const struct cpu *secondary);
bool x86_clock_meet_secondary(const struct cpu *secondary);
bool x86_clock_meet_boot_cpu(struct cpu *self);

/* vector.c: FPU, SSE, AVX. */
void x86_vector_init(void);     /* once */
void x86_vector_cpu_init(void); /* each CPU */
void x86_vector_first_use(struct thread *current);
void x86_vector_save(struct thread *thread);
void x86_vector_load(struct thread *thread);
void x86_vector_close(void); /* empties it */
void x86_vector_free(void *area_taken);
size_t x86_vector_bytes(void); /* of a thread's area */

/* context.c: segment bases between the CPU and the structure. */
struct arch_thread;
void x86_bases_save(struct arch_thread *arch);
void x86_bases_load(const struct arch_thread *arch);
void x86_selectors_reset(struct cpu *cpu);

/* mmu.c */
extern uint64_t x86_kernel_root; /* physical; assembly reads it */

/* console.c */
void x86_console_init(void);
void x86_console_platform_init(void);

/* trap.c, from entry.S */
void x86_trap_user(struct thread *current);
void x86_trap_kernel(struct kernel_registers *registers);
NORETURN void x86_trap_fatal(struct kernel_registers *registers);
/* Where an instruction that may fault goes on; NULL if it may not. */
const void *x86_fixup_find(uint64_t ip);
/* guest.c, from entry.S: the registers are in the state page; returns its argument */
struct thread *x86_guest_leave(struct thread *current);
/* The other registers to go into the guest with; NULL: the frame has them all */
struct guest_registers;
const struct guest_registers *x86_guest_enter(struct thread *current);
/* cpu.c, from entry.S */
NORETURN void x86_secondary_main(struct cpu *cpu);
