/* The list of all threads, which only the shell asks for. */
#pragma once

#ifdef CONFIG_SHELL
struct thread;

void thread_list(struct thread *thread);
void thread_unlist(struct thread *thread);
#else
#define thread_list(thread)   ((void)0)
#define thread_unlist(thread) ((void)0)
#endif
