/* The ring itself, apart from its lock and the console, so that a test can have one of its own. */
#pragma once

#include <kernel/log.h>

enum { LOG_RING_LINES = 512 };

struct log_ring {
    uint64_t next; /* sequence number of the next line */
    struct log_record record[LOG_RING_LINES];
};

/* Make one line of `text`: no control characters (a user program must not move the cursor or forge
 * a line of its own), and at most LOG_LINE_MAX characters. `length` is what the whole text would
 * have had.
 */
void log_line_clean(char *text, size_t length);
void log_ring_add(struct log_ring *ring, enum log_level level, const char *text);
bool log_ring_read(const struct log_ring *ring, uint64_t from, struct log_record *record_out);
uint64_t log_ring_lost(const struct log_ring *ring);
