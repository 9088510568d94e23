/* System calls beside the model: every status, every result, every account, every table. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* `count` calls in a new world, which is destroyed at the end. Each word is the seed of one; what
 * differs fails the running test.
 */
void calls_run(const uint32_t *seeds, size_t count);
