/* Address space identifiers. The lock-free path and a new generation meet in the CPUs' active
 * words: the new generation takes each word away with an exchange, the path puts its own there only
 * if the old one is still in place.
 */
#include "asid.h"

#include <base/string.h>
#include <kernel/panic.h>

#define GENERATION_STEP BIT64(ASID_BITS)

static uint64_t generation_of(uint64_t word)
{
    return word & ~(GENERATION_STEP - 1);
}

static bool is_used(const struct asid_space *space, uint32_t asid)
{
    return (space->used[asid / 64] & BIT64(asid % 64)) != 0;
}

static void set_used(struct asid_space *space, uint32_t asid)
{
    space->used[asid / 64] |= BIT64(asid % 64);
}

void asid_space_init(struct asid_space *space, uint32_t limit)
{
    memset(space, 0, sizeof(*space));
    space->limit = limit;
    space->generation = GENERATION_STEP;
    space->next = 1;
    set_used(space, 0);
}

void asid_attach(struct asid_space *space, uint32_t index, uint64_t *active)
{
    space->active[index] = active;
}

bool asid_try_activate(struct asid_space *space, uint32_t index, const uint64_t *word)
{
    uint64_t *active = space->active[index];
    uint64_t old = __atomic_load_n(active, __ATOMIC_RELAXED);
    uint64_t wanted = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    if (old == 0 || generation_of(wanted) != __atomic_load_n(&space->generation, __ATOMIC_ACQUIRE))
        return false;
    return __atomic_compare_exchange_n(active, &old, wanted, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

/* Running address spaces keep their ASIDs: what they execute right now is tagged with them. A CPU
 * that has not activated anything since the last change still runs what was kept for it then.
 */
static void begin_generation(struct asid_space *space)
{
    __atomic_store_n(&space->generation, space->generation + GENERATION_STEP, __ATOMIC_SEQ_CST);
    memset(space->used, 0, sizeof(space->used));
    set_used(space, 0);
    space->next = 1;
    space->rollovers++;
    for (uint32_t i = 0; i < CPU_MAX; i++) {
        if (space->active[i] == NULL)
            continue;
        uint64_t taken = __atomic_exchange_n(space->active[i], 0, __ATOMIC_SEQ_CST);
        if (taken != 0)
            space->kept[i] = taken;
        set_used(space, asid_of(space->kept[i]));
        space->flush_pending.word[i / 64] |= BIT64(i % 64);
    }
}

/* If some CPU kept `old`, its address space goes on with the same ASID in the new generation. */
static bool renew_kept(struct asid_space *space, uint64_t old, uint64_t renewed)
{
    bool found = false;
    for (uint32_t i = 0; i < CPU_MAX; i++) {
        if (space->active[i] != NULL && space->kept[i] == old) {
            space->kept[i] = renewed;
            found = true;
        }
    }
    return found;
}

static uint32_t find_free(const struct asid_space *space)
{
    for (uint32_t asid = space->next; asid < space->limit; asid++) {
        if (!is_used(space, asid))
            return asid;
    }
    return 0;
}

static uint64_t new_word(struct asid_space *space, uint64_t old)
{
    if (old != 0) {
        uint64_t renewed = space->generation | asid_of(old);
        if (renew_kept(space, old, renewed))
            return renewed;
    }
    uint32_t asid = find_free(space);
    if (asid == 0) {
        begin_generation(space);
        uint64_t renewed = space->generation | asid_of(old);
        if (old != 0 && renew_kept(space, old, renewed))
            return renewed;
        asid = find_free(space);
        ASSERT(asid != 0);
    }
    set_used(space, asid);
    space->next = asid + 1;
    return space->generation | asid;
}

bool asid_activate_locked(struct asid_space *space, uint32_t index, uint64_t *word)
{
    uint64_t mine = __atomic_load_n(word, __ATOMIC_RELAXED);
    if (generation_of(mine) != space->generation) {
        mine = new_word(space, mine);
        __atomic_store_n(word, mine, __ATOMIC_SEQ_CST);
    }
    bool flush = (space->flush_pending.word[index / 64] & BIT64(index % 64)) != 0;
    space->flush_pending.word[index / 64] &= ~BIT64(index % 64);
    __atomic_store_n(space->active[index], mine, __ATOMIC_SEQ_CST);
    return flush;
}
