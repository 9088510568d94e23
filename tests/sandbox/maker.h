/* Random arguments for any system call, made from its description: mostly sensible, sometimes at a
 * boundary, now and then nonsense.
 */
#pragma once

#include <base/syscall_table.h>

struct call_maker {
    uint64_t random; /* the generator's state (xorshift64*), not 0 */
    uint64_t now_ns; /* deadlines lie around it */
    /* Where sensible addresses point: buffers of 4 KiB each, and a range that is for mapping. */
    uint64_t buffer_at;
    unsigned buffer_count;
    uint64_t play_at;
    unsigned play_pages;
    /* A handle that may name an object of `type` (OBJECT_ANY: of any). */
    uint64_t (*handle)(struct call_maker *maker, enum object_type type);
};

enum { CALL_WORDS = 6 };

/* Below `limit`, which is not 0. */
uint64_t maker_below(struct call_maker *maker, uint64_t limit);
static inline bool maker_chance(struct call_maker *maker, unsigned one_in)
{
    return maker_below(maker, one_in) == 0;
}
void maker_words(struct call_maker *maker, const struct syscall_description *call,
                 uint64_t words[CALL_WORDS]);
