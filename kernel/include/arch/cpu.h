/* The CPU itself. arch_impl/cpu.h defines struct arch_cpu (first member of struct cpu; assembly
 * relies on its offsets) and the inlines.
 */
#pragma once

#include <base/compiler.h>
#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct boot_cpu;
struct boot_info;

/* This CPU's structure: one register read. */
static inline struct cpu *arch_cpu_self(void);
/* Point that register at `cpu`. The first thing a CPU does. */
void arch_cpu_set_self(struct cpu *cpu);

/* In a wait loop. */
static inline void arch_relax(void);
/* Interrupts on, halt until one has been served, interrupts off. No wake-up is lost between. */
static inline void arch_idle(void);
/* Halt for good, interrupts off. */
NORETURN void arch_halt(void);

/* Boot CPU, as soon as boot_info is there and before kmap_init: trap handling good enough for a
 * panic, and a console that prints (by port, or by an early mapping).
 */
void arch_early_init(const struct boot_info *info);
/* Boot CPU, after kmap_init and arch_platform_init: what exists once (interrupt controller, clock).
 * Panics, with the reason, where the machine lacks what the kernel cannot do without.
 */
void arch_init(const struct boot_info *info);
/* Each CPU, the boot CPU too, after arch_init: control registers, tables, feature bits, local
 * interrupt controller, local timer.
 */
void arch_cpu_init(struct cpu *cpu);
/* Release a CPU that waits in the loader: it switches to cpu->stack_top, activates the kernel's
 * tables, sets itself to `cpu` and calls cpu_secondary_main(cpu). False if it cannot.
 */
bool arch_cpu_release(const struct boot_cpu *loader_cpu, struct cpu *cpu);
/* kernel/init: where a released CPU arrives. */
NORETURN void cpu_secondary_main(struct cpu *cpu);

/* How long to wait for another CPU while it starts. Generous: a virtual CPU comes when its host
 * lets it run, and only a broken one makes us wait.
 */
#define CPU_START_TIMEOUT_NS (UINT64_C(20) * 1000 * 1000 * 1000)

/* User programs can take random numbers from the CPU: RDRAND; RNDR. */
bool arch_cpu_random(void);
/* A one-line list of the CPU features in use, for the boot log. */
const char *arch_cpu_features(void);
extern const char arch_name[]; /* "x86_64", "aarch64", "host" */

#include <arch_impl/cpu.h>
