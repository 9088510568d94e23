/* The lines that were logged, for those who can read them: the shell and the tests. The release
 * flavour has neither, and keeps none.
 */
#pragma once

#if defined(CONFIG_TESTS) || defined(CONFIG_SHELL)
#include <kernel/log.h>
#include <stdbool.h>

enum { LOG_RING_LINES = 512 };

/* One line as the ring keeps it. Sequence numbers begin at 0 and have no gaps. */
struct log_record {
    uint64_t sequence;
    enum log_level level;
    char text[LOG_LINE_MAX + 1];
};

/* A ring, apart from the lock, so that a test can have one of its own. */
struct log_ring {
    uint64_t next; /* sequence number of the next line */
    struct log_record record[LOG_RING_LINES];
};

void log_ring_add(struct log_ring *ring, enum log_level level, const char *text);
bool log_ring_read(const struct log_ring *ring, uint64_t from, struct log_record *record_out);
uint64_t log_ring_lost(const struct log_ring *ring);

/* The kernel's own. */
void log_keep(enum log_level level, const char *text);
/* Copy the oldest line whose sequence number is at least `from`; false if there is none yet. A
 * reader that asks for the number after the last one it got has lost `record_out->sequence - from`
 * lines.
 */
bool log_read(uint64_t from, struct log_record *record_out);
/* Lines that the ring no longer holds. */
uint64_t log_lost(void);
#else
#include <kernel/log.h>

static inline void log_keep(enum log_level level, const char *text)
{
    (void)level;
    (void)text;
}
#endif
