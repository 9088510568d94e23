/* Where a thread begins: its argument is in x0, the stack is 16-aligned. */
    .text
    .global rt_thread_entry
    .hidden rt_thread_begin
rt_thread_entry:
    mov x29, xzr
    mov x30, xzr
    bl rt_thread_begin
    udf #0
