/* Vector state, between the files of this architecture. */
#pragma once

#include <stdbool.h>

struct thread;

/* guest.c: whether this CPU steps. */
void guest_set_step(bool on);
/* The current thread's first vector instruction since it was switched to. False: no memory. */
bool vector_first_use(struct thread *thread);
