/* A hostile peer: the input says what it writes into the shared memory between our calls. Whatever
 * it does, nothing outside the ring is touched, no call gives more entries than an honest peer
 * could have brought, and a broken ring stays broken.
 */
#include <rt/ring.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

enum { COUNT = 4, ENTRY = 8, MEMORY = RING_HEADER_BYTES + COUNT * ENTRY };

static void check(bool promise)
{
    if (!promise)
        abort();
}

struct game {
    unsigned char *memory;
    struct ring ring;
    bool was_broken;
};

static void ours(struct game *game, unsigned what)
{
    uint64_t entry = what;
    struct ring *ring = &game->ring;
    enum status status = ring->producer ? ring_push(ring, &entry) : ring_pop(ring, &entry);
    check(status == OK || status == ERR_WOULD_BLOCK || status == ERR_FORMAT);
    check(!game->was_broken || status == ERR_FORMAT);
    check(ring->producer ? ring->mine - ring->peer <= COUNT : ring->peer - ring->mine <= COUNT);
    if ((what & 1) != 0)
        check(!ring_must_wake(ring) || !game->was_broken);
    if ((what & 2) != 0)
        check(!ring_may_sleep(ring) || !game->was_broken);
    game->was_broken = ring->broken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    if (size_bytes < 1)
        return 0;
    struct game game = { 0 };
    void *memory;
    check(posix_memalign(&memory, RING_LINE, MEMORY) == 0);
    game.memory = memory;
    memset(game.memory, 0, MEMORY);
    check(((data[0] & 1) != 0 ? ring_open_producer : ring_open_consumer)(
              &game.ring, game.memory, MEMORY, COUNT, ENTRY) == OK);
    for (size_t i = 1; i + 6 <= size_bytes; i += 6) {
        if (data[i] < 128) {
            ours(&game, data[i]);
            continue;
        }
        /* The peer: a word anywhere, or a step of its index as an honest one would make it. */
        uint32_t *index = (uint32_t *)(void *)(game.memory + (game.ring.producer ? RING_LINE : 0));
        uint32_t word;
        memcpy(&word, data + i + 2, sizeof(word));
        if (data[i] < 192)
            *index += data[i + 1] % 3;
        else
            memcpy(game.memory + data[i + 1] % (MEMORY - sizeof(word)), &word, sizeof(word));
    }
    free(game.memory);
    return 0;
}
