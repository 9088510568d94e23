/* Guests, as their sandbox sees them: entry, and the memory below GUEST_END.
 *
 * What lies there may change or go at any moment, by another thread of the guest's. These routines
 * are the only way to touch it: a bad address ends them and nothing else. They work once
 * guest_state_init has told the kernel, through the thread's state page, where they are.
 */
#pragma once

#include <base/status.h>
#include <guest.h>
#include <stddef.h>

/* System call 32. `state` and `offset` name the thread's state page, the first time; afterwards 0.
 */
enum status guest_enter(uint64_t guest, uint64_t state, uint64_t offset, uint64_t *reason_out);

void guest_state_init(struct guest_state *state);
/* Bytes that were not copied: 0 on success. The guest's side must lie below GUEST_END. */
size_t guest_copy_in(void *to, uint64_t from, size_t size_bytes);
size_t guest_copy_out(uint64_t to, const void *from, size_t size_bytes);
