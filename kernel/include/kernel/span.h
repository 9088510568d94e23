/* A span: the part of an object that a capability covers, kept in the capability's badge.
 *
 * Devices, interrupt lines and DMA are one object each, and what a capability may reach of it is
 * its own: a split derives a capability with a smaller span. So the badge that the kernel stamped
 * says it, copies keep it, nobody can widen it, and a table that is listed shows it. A badge of 0
 * is the whole object.
 *
 *     bits 63..24 first unit   bits 23..0 count of units, never 0
 */
#pragma once

#include <base/status.h>
#include <stdbool.h>
#include <stdint.h>

#define SPAN_COUNT_MAX UINT64_C(0xffffff)
#define SPAN_FIRST_MAX UINT64_C(0xffffffffff)

struct span {
    uint64_t first;
    uint64_t count;
};

/* What `badge` says of an object that has `whole` units. */
static inline struct span span_of_badge(uint64_t badge, uint64_t whole)
{
    if (badge == 0)
        return (struct span){ 0, whole };
    return (struct span){ badge >> 24, badge & SPAN_COUNT_MAX };
}

static inline uint64_t span_badge(struct span span)
{
    return span.first << 24 | span.count;
}

/* `count` units from the `offset`th of `span`. ERR_RANGE: none, not all within, or more than a
 * badge can say.
 */
static inline enum status span_part(struct span span, uint64_t offset, uint64_t count,
                                    struct span *part_out)
{
    if (count == 0 || offset > span.count || count > span.count - offset)
        return ERR_RANGE;
    uint64_t first = span.first + offset;
    if (count > SPAN_COUNT_MAX || first > SPAN_FIRST_MAX)
        return ERR_RANGE;
    *part_out = (struct span){ first, count };
    return OK;
}

static inline bool span_within(struct span inner, struct span outer)
{
    return inner.first >= outer.first && inner.first - outer.first <= outer.count &&
           inner.count <= outer.count - (inner.first - outer.first);
}
