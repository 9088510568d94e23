/* Where a thread begins: its argument is in rdi, the stack is 16-aligned. */
    .text
    .global rt_thread_entry
    .hidden rt_thread_begin
rt_thread_entry:
    xor %ebp, %ebp
    call rt_thread_begin
    ud2
