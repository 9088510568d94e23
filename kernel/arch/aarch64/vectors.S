/* Exception vectors, and the way back.
 *
 * From user mode: SP_EL1 holds the address of the running thread, whose first member is its frame.
 * The registers go there, then the CPU's kernel stack is loaded, always from its top.
 *
 * From the kernel: only interrupts in the idle loop, faults of user copies, and bugs. The stack
 * pointer is checked before anything is stored through it: an address translation instruction asks
 * whether there is room, and if not the registers go to the CPU's overflow stack. There is no other
 * way to survive a stack overflow, since the CPU would fault again at the same vector for ever.
 *
 * SP_EL0 is free while the kernel runs (the user's is in the frame), TPIDRRO_EL0 is zero but for a
 * few instructions here.
 */
#include <asm_offsets.h>

    .set EC_SVC64, 0x15

/* x0, x1 and x30 differ by case. */
    .macro store_x2_to_x29
    stp     x2, x3, [sp, #16 * 1]
    stp     x4, x5, [sp, #16 * 2]
    stp     x6, x7, [sp, #16 * 3]
    stp     x8, x9, [sp, #16 * 4]
    stp     x10, x11, [sp, #16 * 5]
    stp     x12, x13, [sp, #16 * 6]
    stp     x14, x15, [sp, #16 * 7]
    stp     x16, x17, [sp, #16 * 8]
    stp     x18, x19, [sp, #16 * 9]
    stp     x20, x21, [sp, #16 * 10]
    stp     x22, x23, [sp, #16 * 11]
    stp     x24, x25, [sp, #16 * 12]
    stp     x26, x27, [sp, #16 * 13]
    stp     x28, x29, [sp, #16 * 14]
    .endm

    .macro load_x2_to_x29
    ldp     x2, x3, [sp, #16 * 1]
    ldp     x4, x5, [sp, #16 * 2]
    ldp     x6, x7, [sp, #16 * 3]
    ldp     x8, x9, [sp, #16 * 4]
    ldp     x10, x11, [sp, #16 * 5]
    ldp     x12, x13, [sp, #16 * 6]
    ldp     x14, x15, [sp, #16 * 7]
    ldp     x16, x17, [sp, #16 * 8]
    ldp     x18, x19, [sp, #16 * 9]
    ldp     x20, x21, [sp, #16 * 10]
    ldp     x22, x23, [sp, #16 * 11]
    ldp     x24, x25, [sp, #16 * 12]
    ldp     x26, x27, [sp, #16 * 13]
    ldp     x28, x29, [sp, #16 * 14]
    .endm

/* ---- From user mode ---- */

/* With x0 and x1 stored. */
    .macro user_save
    store_x2_to_x29
    mrs     x9, sp_el0
    mrs     x10, elr_el1
    mrs     x11, spsr_el1
    stp     x30, x9, [sp, #FRAME_LR]
    stp     x10, x11, [sp, #FRAME_PC]
    mov     x0, sp                  /* struct thread */
    mrs     x9, tpidr_el1
    ldr     x9, [x9, #CPU_STACK_TOP]
    mov     sp, x9
    mov     x29, xzr                /* backtraces end here */
    mov     x30, xzr
    .endm

    .section .text.vectors, "ax"

    .type user_sync, %function
user_sync:
    stp     x0, x1, [sp, #16 * 0]
    ldrb    w0, [sp, #THREAD_INSIDE]
    cbnz    w0, guest_sync
    cmp     x8, #SYSCALL_guest_enter
    b.eq    enter_sync
not_of_guest:
    user_save
    mrs     x1, esr_el1
    lsr     x2, x1, #26
    cmp     x2, #EC_SVC64
    b.ne    1f
    bl      trap_syscall
    b       user_exit
1:  mrs     x2, far_el1
    bl      trap_user_sync
    b       user_exit
    .size user_sync, . - user_sync

    .type user_irq, %function
user_irq:
    stp     x0, x1, [sp, #16 * 0]
    user_save
    bl      trap_user_irq
    b       user_exit
    .size user_irq, . - user_irq

    .type user_serror, %function
user_serror:
    stp     x0, x1, [sp, #16 * 0]
    user_save
    bl      trap_user_serror
    b       user_exit
    .size user_serror, . - user_serror

/* guest_enter, which saves nothing of the caller but where it goes on. pc and pstate of the guest
 * are in the frame, checked; every other register may hold what the page says.
 */
    .type enter_sync, %function
enter_sync:
    mrs     x0, esr_el1
    lsr     x0, x0, #26
    cmp     x0, #EC_SVC64
    b.ne    not_of_guest
    str     x2, [sp, #16]
    mrs     x1, sp_el0
    mrs     x2, elr_el1
    stp     x1, x2, [sp, #FRAME_SP]
    str     xzr, [sp, #FRAME_PC + 8]        /* PSTATE_USER */
    mov     x0, sp                          /* struct thread */
    mrs     x9, tpidr_el1
    ldr     x9, [x9, #CPU_STACK_TOP]
    mov     x19, x0
    mov     sp, x9
    mov     x29, xzr
    mov     x30, xzr
    bl      guest_enter_call
    cbz     x0, user_exit
    mov     sp, x19
    ldp     x10, x11, [sp, #FRAME_PC]
    ldr     x9, [x0, #FRAME_SP]
    msr     sp_el0, x9
    msr     elr_el1, x10
    msr     spsr_el1, x11
    mov     x30, x0
    ldp     x0, x1, [x30, #16 * 0]
    ldp     x2, x3, [x30, #16 * 1]
    ldp     x4, x5, [x30, #16 * 2]
    ldp     x6, x7, [x30, #16 * 3]
    ldp     x8, x9, [x30, #16 * 4]
    ldp     x10, x11, [x30, #16 * 5]
    ldp     x12, x13, [x30, #16 * 6]
    ldp     x14, x15, [x30, #16 * 7]
    ldp     x16, x17, [x30, #16 * 8]
    ldp     x18, x19, [x30, #16 * 9]
    ldp     x20, x21, [x30, #16 * 10]
    ldp     x22, x23, [x30, #16 * 11]
    ldp     x24, x25, [x30, #16 * 12]
    ldp     x26, x27, [x30, #16 * 13]
    ldp     x28, x29, [x30, #16 * 14]
    ldr     x30, [x30, #FRAME_LR]
    eret
    dsb     nsh
    isb
    .size enter_sync, . - enter_sync

/* From a guest: a system call has a constant reply, or puts every register straight into the state
 * page and goes back to the sandbox with nothing in the others. Nothing on this way wants another
 * thread; who does sends an interrupt, which comes right after.
 */
    .type guest_sync, %function
guest_sync:
    mrs     x0, esr_el1
    lsr     x0, x0, #26
    cmp     x0, #EC_SVC64
    b.ne    not_of_guest
    ldr     x0, [sp, #THREAD_GUEST_STATE]
    cmp     x8, #GUEST_REPLIES
    b.hs    1f
    lsr     x1, x8, #6
    add     x1, x0, x1, lsl #3
    ldr     x1, [x1, #STATE_REPLY_SET]
    lsr     x1, x1, x8
    tbz     x1, #0, 1f
    add     x1, x0, x8, lsl #3
    ldr     x0, [x1, #STATE_REPLY]
    ldr     x1, [sp, #8]
    eret
    dsb     nsh
    isb
1:  ldr     x1, [sp, #8]
    stp     x2, x3, [x0, #16 * 1]
    ldr     x2, [sp, #0]
    stp     x4, x5, [x0, #16 * 2]
    stp     x6, x7, [x0, #16 * 3]
    stp     x8, x9, [x0, #16 * 4]
    stp     x10, x11, [x0, #16 * 5]
    stp     x12, x13, [x0, #16 * 6]
    stp     x14, x15, [x0, #16 * 7]
    stp     x16, x17, [x0, #16 * 8]
    stp     x18, x19, [x0, #16 * 9]
    stp     x20, x21, [x0, #16 * 10]
    stp     x22, x23, [x0, #16 * 11]
    stp     x24, x25, [x0, #16 * 12]
    stp     x26, x27, [x0, #16 * 13]
    stp     x28, x29, [x0, #16 * 14]
    mrs     x3, sp_el0
    stp     x2, x1, [x0, #16 * 0]
    stp     x30, x3, [x0, #FRAME_LR]
    mrs     x2, elr_el1
    mrs     x3, spsr_el1
    stp     x2, x3, [x0, #FRAME_PC]
    mov     x0, sp                  /* struct thread */
    mrs     x9, tpidr_el1
    ldr     x9, [x9, #CPU_STACK_TOP]
    mov     sp, x9
    mov     x29, xzr
    mov     x30, xzr
    bl      guest_leave
    ldp     x2, x3, [x0, #THREAD_SANDBOX_PC]
    mov     sp, x0
    msr     elr_el1, x2
    msr     sp_el0, x3
    msr     spsr_el1, xzr           /* PSTATE_USER */
    mov     x0, xzr
    mov     x1, #GUEST_REASON_SYSCALL
    .irp n, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    mov     x\n, xzr
    .endr
    eret
    dsb     nsh
    isb
    .size guest_sync, . - guest_sync

/* Choose a thread and go to user mode. The saved state is data that anybody may have spoilt: an
 * exception level, a mask or an execution state other than the one constant never reaches ERET.
 */
    .global user_exit
    .type user_exit, %function
user_exit:
    mrs     x9, tpidr_el1
    ldr     w10, [x9, #CPU_NEED_RESCHED]
    ldr     x0, [x9, #CPU_CURRENT]
    cbnz    w10, 3f
1:  ldp     x10, x11, [x0, #FRAME_PC]
    ldr     x9, [x0, #FRAME_SP]
    tst     x11, #FRAME_FIXED_BITS
    b.ne    2f
    mov     sp, x0
    msr     sp_el0, x9
    msr     elr_el1, x10
    msr     spsr_el1, x11
    load_x2_to_x29
    ldr     x30, [sp, #FRAME_LR]
    ldp     x0, x1, [sp, #16 * 0]
    eret
    dsb     nsh                     /* no speculation past ERET */
    isb
2:  bl      trap_bad_user_state
3:  ldr     x9, [x9, #CPU_STACK_TOP]
    mov     sp, x9
    mov     x29, xzr
    mov     x30, xzr
    bl      sched_next
    b       1b
    .size user_exit, . - user_exit

    .global arch_enter_scheduler
    .type arch_enter_scheduler, %function
arch_enter_scheduler:
    mrs     x9, tpidr_el1
    ldr     x9, [x9, #CPU_STACK_TOP]
    mov     sp, x9
    mov     x29, xzr
    mov     x30, xzr
    b       user_exit
    .size arch_enter_scheduler, . - arch_enter_scheduler

/* ---- From the kernel ---- */

    .macro kernel_save trusted
    msr     sp_el0, x0
    .if \trusted
    sub     x0, sp, #(REGISTERS_SIZE + FAULT_ROOM)
    at      s1e1w, x0
    isb
    mrs     x0, par_el1
    tbnz    x0, #0, 8f
    mov     x0, sp
    tst     x0, #0xf
    b.eq    9f
    .endif
8:  mov     x0, sp
    msr     tpidrro_el0, x0
    mrs     x0, tpidr_el1
    cbz     x0, 7f
    ldr     x0, [x0, #CPU_OVERFLOW_TOP]
    mov     sp, x0
    mrs     x0, tpidrro_el0
    b       9f
7:  adrp    x0, boot_overflow_stack_top
    add     x0, x0, :lo12:boot_overflow_stack_top
    mov     sp, x0
    mrs     x0, tpidrro_el0
9:  sub     sp, sp, #REGISTERS_SIZE
    str     x0, [sp, #REGISTERS_SP]
    mrs     x0, sp_el0
    stp     x0, x1, [sp, #16 * 0]
    store_x2_to_x29
    str     x30, [sp, #REGISTERS_LR]
    msr     tpidrro_el0, xzr
    mrs     x0, elr_el1
    mrs     x1, spsr_el1
    stp     x0, x1, [sp, #REGISTERS_PC]
    mrs     x0, esr_el1
    mrs     x1, far_el1
    stp     x0, x1, [sp, #REGISTERS_SYNDROME]
    mov     x0, sp
    .endm

    .type kernel_sync, %function
kernel_sync:
    kernel_save 1
    bl      trap_kernel_sync
    b       kernel_return
    .size kernel_sync, . - kernel_sync

    .type kernel_irq, %function
kernel_irq:
    kernel_save 1
    bl      trap_kernel_irq
    b       kernel_return
    .size kernel_irq, . - kernel_irq

    .type kernel_serror, %function
kernel_serror:
    kernel_save 1
    bl      trap_kernel_serror
    .size kernel_serror, . - kernel_serror

/* A vector that nothing should ever reach; the stack pointer means nothing there. x0 goes along. */
    .type unexpected, %function
unexpected:
    kernel_save 0
    bl      trap_unexpected
    .size unexpected, . - unexpected

    .type kernel_return, %function
kernel_return:
    ldp     x10, x11, [sp, #REGISTERS_PC]
    msr     elr_el1, x10
    msr     spsr_el1, x11
    ldr     x0, [sp, #16 * 0]
    msr     sp_el0, x0
    load_x2_to_x29
    ldr     x30, [sp, #REGISTERS_LR]
    ldr     x1, [sp, #8]
    ldr     x0, [sp, #REGISTERS_SP]
    mov     sp, x0
    mrs     x0, sp_el0
    eret
    dsb     nsh
    isb
    .size kernel_return, . - kernel_return

/* ---- The table ---- */

/* One slot: 128 bytes, of which a branch takes four. .org refuses to go backwards, so a slot that
 * grew too long would not assemble.
 */
    .macro vector offset, target
    .org    vectors + \offset
    b       \target
    .endm

    .balign 2048
    .global vectors
    .type vectors, %function
vectors:
    vector  0x000, unexpected       /* EL1 with SP_EL0 */
    vector  0x080, unexpected
    vector  0x100, unexpected
    vector  0x180, unexpected
    vector  0x200, kernel_sync      /* EL1 with SP_EL1 */
    vector  0x280, kernel_irq
    vector  0x300, unexpected
    vector  0x380, kernel_serror
    vector  0x400, user_sync        /* EL0, AArch64 */
    vector  0x480, user_irq
    vector  0x500, unexpected
    vector  0x580, user_serror
    vector  0x600, unexpected       /* EL0, AArch32: PSTATE_USER keeps it out */
    vector  0x680, unexpected
    vector  0x700, unexpected
    vector  0x780, unexpected
    .org    vectors + 0x800
    .size vectors, . - vectors
