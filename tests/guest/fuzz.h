/* Random system calls. */
#pragma once

#include <test_guest.h>

void fuzz_run(struct test_guest_command *command);
