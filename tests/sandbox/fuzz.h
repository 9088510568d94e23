/* Random system calls (fuzz.c). */
#pragma once

#include <test_sandbox.h>

/* Until command->stop. `state` is the thread's state page. */
void fuzz_run(struct test_guest_command *command, struct guest_state *state);
