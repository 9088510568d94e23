/* Waiting for several files at a time: poll(2), select(2). */
#pragma once

#include <linux/file.h>

/* A poller whose waiters wake one task. Its slots are the caller's. */
struct poll_table {
    struct poller poller;
    struct waiter *slot;
    unsigned count, room;
    int error; /* -ENOMEM: a queue found no slot */
};

void poll_table_init(struct poll_table *table, struct waiter *slots, unsigned room);
void poll_table_end(struct poll_table *table);
/* What is ready of `wanted`, and errors and hangups, which always are. */
uint32_t file_poll(struct file *file, struct poller *poller);
