/* Messages (abi/ipc.h), and waiting for notifications: the calls that the table has no stubs for.
 */
#pragma once

#include <ipc.h>
#include <rt/syscall.h>

/* lib/rt/arch. The message is written only with OK. */
enum status ipc_raw(uint64_t number, uint64_t endpoint, uint64_t reply, uint64_t deadline_ns,
                    struct ipc_message *message);

/* The message goes out, the answer comes back in its place. */
static inline enum status ipc_call(uint64_t endpoint, struct ipc_message *message,
                                   uint64_t deadline_ns)
{
    return ipc_raw(SYSCALL_ipc_call, endpoint, 0, deadline_ns, message);
}

/* `to`: an endpoint, or a Reply to answer, which never waits. */
static inline enum status ipc_send(uint64_t to, struct ipc_message *message, uint64_t deadline_ns)
{
    return ipc_raw(SYSCALL_ipc_send, to, 0, deadline_ns, message);
}

/* message->info says on the way in how many capabilities are accepted. */
static inline enum status ipc_receive(uint64_t endpoint, uint64_t reply,
                                      struct ipc_message *message, uint64_t deadline_ns)
{
    return ipc_raw(SYSCALL_ipc_receive, endpoint, reply, deadline_ns, message);
}

static inline enum status ipc_reply_receive(uint64_t endpoint, uint64_t reply,
                                            struct ipc_message *message, uint64_t deadline_ns)
{
    return ipc_raw(SYSCALL_ipc_reply_receive, endpoint, reply, deadline_ns, message);
}

static inline enum status notification_wait(uint64_t notification, uint64_t mask,
                                            uint64_t deadline_ns, uint64_t *bits_out)
{
    const uint64_t word[6] = { notification, mask, deadline_ns };
    uint64_t bits = 0;
    enum status status = syscall_raw(SYSCALL_notification_wait, word, &bits);

    if (status == OK)
        *bits_out = bits;
    return status;
}
