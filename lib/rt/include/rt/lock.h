/* A lock for this library's own state, over the kernel's waiting primitive. It uses no thread-local
 * storage, so it works before there is any and after it is gone.
 *
 * State: 0 free, 1 held, 2 held and somebody may wait (Drepper, "Futexes are tricky", mutex 2).
 */
#pragma once

#include <base/compiler.h>
#include <stdbool.h>
#include <stdint.h>

struct CAPABILITY("lock") rt_lock {
    uint32_t state;
};

void rt_lock(struct rt_lock *lock) ACQUIRES(*lock);
bool rt_try_lock(struct rt_lock *lock); /* true: it is ours */
void rt_unlock(struct rt_lock *lock) RELEASES(*lock);
