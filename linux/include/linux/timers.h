/* Timers of a process that send signals: setitimer, alarm, timer_create. */
#pragma once

struct process;
struct signal_info;

int process_timers_create(struct process *process);
/* execve: those of timer_create go, and alarms stay. */
void process_timers_exec(struct process *process);
/* It ends: all of them. No lock may be held. */
void process_timers_end(struct process *process);
void process_timers_free(struct process *process);
/* A signal of timer_create's was taken: how many expirations it missed is written into it. Without
 * process->lock. */
void process_timers_taken(struct process *process, struct signal_info *info);
