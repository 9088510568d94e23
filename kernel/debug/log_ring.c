/* What was logged, kept: one ring for all CPUs under one lock. Not in the release flavour, where
 * nobody could read it.
 */
#if defined(CONFIG_TESTS) || defined(CONFIG_SHELL)
#include <base/string.h>
#include <kernel/log_ring.h>
#include <kernel/spinlock.h>

static struct spinlock log_lock = SPINLOCK_INIT(RANK_LOG);
static struct log_ring log_ring; /* under log_lock */

void log_ring_add(struct log_ring *ring, enum log_level level, const char *text)
{
    struct log_record *record = &ring->record[ring->next % LOG_RING_LINES];
    record->sequence = ring->next++;
    record->level = level;
    strlcpy(record->text, text, sizeof(record->text));
}

uint64_t log_ring_lost(const struct log_ring *ring)
{
    return ring->next > LOG_RING_LINES ? ring->next - LOG_RING_LINES : 0;
}

bool log_ring_read(const struct log_ring *ring, uint64_t from, struct log_record *record_out)
{
    uint64_t sequence = MAX(from, log_ring_lost(ring));
    if (sequence >= ring->next)
        return false;
    *record_out = ring->record[sequence % LOG_RING_LINES];
    return true;
}

void log_keep(enum log_level level, const char *text)
{
    spinlock_acquire(&log_lock);
    log_ring_add(&log_ring, level, text);
    spinlock_release(&log_lock);
}

bool log_read(uint64_t from, struct log_record *record_out)
{
    spinlock_acquire(&log_lock);
    bool found = log_ring_read(&log_ring, from, record_out);
    spinlock_release(&log_lock);
    return found;
}

uint64_t log_lost(void)
{
    spinlock_acquire(&log_lock);
    uint64_t lost = log_ring_lost(&log_ring);
    spinlock_release(&log_lock);
    return lost;
}
#endif
