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

/* struct epoll_event: 32 bits of events first, then 64 of the program's own. linux/arch/ARCH. */
enum { EPOLL_EVENT_MAX = 16 };
struct epoll_layout {
    uint8_t data, size_bytes; /* where the 64 are, and of all */
};
extern const struct epoll_layout epoll_layout;
