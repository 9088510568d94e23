/* The clock and timer, between the files of this architecture. */
#pragma once

/* Boot CPU: the clock runs from here. Panics if the counter's frequency is unknown. */
void clock_init(void);
/* Each CPU: the timer off, and what user mode may read. */
void timer_cpu_init(void);
/* From the timer interrupt: quiet until arch_timer_set. */
void timer_mask(void);
/* Each CPU: the instruction counter of arch_cycle_count, where there is one. */
void cycle_counter_init(void);
