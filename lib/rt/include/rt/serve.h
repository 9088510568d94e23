/* The one loop of a service: wait, answer, wait. Every call is answered exactly once. */
#pragma once

#include <base/status.h>
#include <ipc.h>
#include <stdint.h>

struct rt_server {
    uint64_t endpoint;
    uint64_t reply;  /* rt_serve makes it if it is 0 */
    unsigned accept; /* handles that a message may bring: PROTOCOL_ACCEPT */
    void *context;
    /* Turns a message into its answer (the made NAME_serve). */
    void (*serve)(void *context, struct ipc_message *message);
    /* Bits of the notification that is bound to the endpoint; NULL if there is none. */
    void (*signal)(void *context, uint64_t bits);
    /* When something has to be done next, asked before each wait; NULL: never. And doing it. */
    uint64_t (*deadline)(void *context);
    void (*late)(void *context);
};

/* Comes back only when the endpoint is gone, or with what went wrong before the first message. */
enum status rt_serve(struct rt_server *server);
