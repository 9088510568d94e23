/* What the first program finds when it starts. Its argument is the size of the system image in
 * bytes, 0 if the loader brought none.
 */
#pragma once

#include <stdint.h>

/* The program and its stack: init, which it becomes, takes them away. */
#define FIRST_PROGRAM_AT   ((uint64_t)0x400000)
#define FIRST_PROGRAM_SPAN ((uint64_t)0x1000000)
#define FIRST_STACK_TOP    ((uint64_t)0x7fffff000000)
#define FIRST_STACK_BYTES  ((uint64_t)64 * 1024)

/* The system image, mapped read-only. */
#define SYSTEM_IMAGE_AT ((uint64_t)0x100000000000)

/* What else the loader brought, mapped read-only: an entry for each module in its order, the system
 * image among them, and one with an empty path behind the last.
 */
#define FIRST_MODULES_AT ((uint64_t)0x0fffff000000)

enum { FIRST_MODULE_MAX = 16, FIRST_MODULE_PATH_BYTES = 128 };

struct first_module {
    char path[FIRST_MODULE_PATH_BYTES]; /* as the loader gives it; zeroes behind */
    uint64_t size_bytes;
    uint64_t handle; /* Memory of it, not writable; what is behind its end is not its own */
};
#define FIRST_MODULES_BYTES ((uint64_t)4096)

/* Its table, in this order: everything that there is to give, with all rights. */
#define FIRST_HANDLE(n)      ((uint64_t)1 << 32 | (n))
#define HANDLE_SYSTEM        FIRST_HANDLE(0)
#define HANDLE_PROCESS       FIRST_HANDLE(1) /* itself */
#define HANDLE_BUDGET        FIRST_HANDLE(2) /* the root of all budgets */
#define HANDLE_DEVICE_MEMORY FIRST_HANDLE(3) /* registers: physical memory but for RAM */
#define HANDLE_DEVICE_PORTS  FIRST_HANDLE(4) /* I/O ports, none on aarch64 */
#define HANDLE_DMA           FIRST_HANDLE(5) /* all devices that reach memory by themselves */
#define HANDLE_IRQ           FIRST_HANDLE(6) /* all interrupt lines and messages (abi/irq.h) */
#define HANDLE_IMAGE         FIRST_HANDLE(7) /* the system image; not writable */
