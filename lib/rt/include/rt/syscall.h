/* System calls of user programs: a typed function for each, made from abi/syscalls.abi, and the raw
 * call below them all.
 */
#pragma once

#include <base/status.h>
#include <stdint.h>
#include <syscall_stubs.h>

/* Any number, six words; *value_out may be NULL. lib/rt/arch. */
enum status syscall_raw(uint64_t number, const uint64_t argument[6], uint64_t *value_out);
