/* Which slot, and whether to flush: see pcid.h. */
#include "include/arch_impl/pcid.h"

static uint64_t generation_of(const struct pcid_space *space)
{
    return __atomic_load_n(&space->generation, __ATOMIC_SEQ_CST);
}

struct pcid_choice pcid_choose(struct pcid_cpu *cpu, uint32_t index, struct pcid_space *space)
{
    uint64_t generation = generation_of(space);
    uint64_t upper = space->upper == NULL ? 0 : generation_of(space->upper);
    unsigned slot = space->slot_hint[index] % PCID_SLOTS;
    bool ours = cpu->slot[slot].space == space->number;
    if (!ours) {
        slot = cpu->victim++ % PCID_SLOTS;
        space->slot_hint[index] = (uint8_t)slot;
        cpu->slot[slot].space = space->number;
    }
    bool flush =
        !ours || cpu->slot[slot].generation != generation || cpu->slot[slot].upper != upper;
    cpu->slot[slot].generation = generation;
    cpu->slot[slot].upper = upper;
    cpu->current = slot;
    return (struct pcid_choice){ slot, flush };
}

enum pcid_flush pcid_flush_arrives(struct pcid_cpu *cpu, const struct pcid_space *space,
                                   const struct pcid_space *of, uint64_t generation)
{
    struct pcid_slot *slot = &cpu->slot[cpu->current];
    uint64_t *known = of == space ? &slot->generation : &slot->upper;
    if (slot->space != space->number || *known >= generation)
        return PCID_FLUSH_NOTHING;
    if (*known + 1 == generation) {
        *known = generation;
        return PCID_FLUSH_RANGE;
    }
    /* Read before the flush: what comes later will come here too. */
    *known = generation_of(of);
    return PCID_FLUSH_ALL;
}
