/* The data at the end of the handoff page, for assembly and C, and the protocol's offsets. */
#pragma once

#define HANDOFF_DATA_AT 0xf00
#define HANDOFF_MAIR    0xf00
#define HANDOFF_TCR     0xf08
#define HANDOFF_TTBR0   0xf10
#define HANDOFF_TTBR1   0xf18
#define HANDOFF_ENTRY   0xf20
#define HANDOFF_STACK   0xf28
#define HANDOFF_HHDM    0xf30

/* struct limine_smp_info. `reserved` holds the stack until the CPU has taken it. */
#define HANDOFF_INFO_STACK 16
#define HANDOFF_INFO_GOTO  24

/* SCTLR_EL1: the bits that read as one, and (at entry) MMU, caches, stack alignment checks. */
#define SCTLR_EL1_OFF   0x30d00800
#define SCTLR_EL1_ENTRY 0x30d0181d

/* PSTATE at entry: EL1 on SP_EL0, D, A, I and F masked. */
#define SPSR_EL1T 0x3c4
#define SPSR_EL1H 0x3c5
