/* Random bytes for this process, from the seed that it was started with: ChaCha20 (RFC 8439) with a
 * key that is replaced by its own output at every block that is begun, and output that is forgotten
 * when it is given out, so that this cannot be computed from what is left in memory.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { RANDOM_SEED_BYTES = 32 };

struct random_state {
    uint32_t key[RANDOM_SEED_BYTES / 4];
    uint8_t ready[RANDOM_SEED_BYTES]; /* made and not given out yet: the last `ready_count` */
    uint32_t ready_count;
};

/* More seed: mixed in, so that a bad one takes nothing away. A fresh state is all zeroes. */
void random_stir(struct random_state *state, const uint8_t seed[RANDOM_SEED_BYTES]);
void random_take(struct random_state *state, void *to, size_t size_bytes);

/* The process's own, seeded at its start; any thread. */
void rt_random_stir(const uint8_t seed[RANDOM_SEED_BYTES]);
void rt_random_bytes(void *to, size_t size_bytes);
