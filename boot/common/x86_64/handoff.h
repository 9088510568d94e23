/* The data at the end of the handoff page, for assembly and C. */
#pragma once

#define HANDOFF_DATA_AT   0xf00
#define HANDOFF_ROOT      0xf00 /* kernel page tables, below 4 GiB */
#define HANDOFF_ENTRY     0xf08
#define HANDOFF_STACK     0xf10
#define HANDOFF_CR0       0xf18
#define HANDOFF_CR4       0xf1c
#define HANDOFF_NXE       0xf20 /* EFER.NXE, or 0 */
#define HANDOFF_AP_READY  0xf24
#define HANDOFF_AP_STACK  0xf28
#define HANDOFF_AP_INFO   0xf30
#define HANDOFF_AP_SETUP  0xf38
#define HANDOFF_FAR_32    0xf40
#define HANDOFF_FAR_64    0xf48
#define HANDOFF_GDTR_LOW  0xf56 /* limit, then a base that is aligned */
#define HANDOFF_GDTR_HIGH 0xf66
#define HANDOFF_GDT       0xf80

#define HANDOFF_CODE_32 0x18
#define HANDOFF_DATA_32 0x20
#define HANDOFF_CODE_64 0x28
#define HANDOFF_DATA_64 0x30

#define HANDOFF_INFO_GOTO 16 /* limine_smp_info.goto_address */
