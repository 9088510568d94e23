/* How a thread waits in IPC, and how it stops waiting.
 *
 * A thread waits at one object, an endpoint or a notification, and the lock of that object guards
 * everything below; a caller whose call was received still waits at the endpoint, until a Reply
 * answers it. Whoever ends a wait holds that lock: the peer, a deadline, a kill, a revocation. So
 * each wait ends once.
 *
 *                        ipc_call, ipc_send               ipc_receive
 *          IPC_IDLE ---------> IPC_CALL, IPC_SEND    IPC_IDLE ---> IPC_RECEIVE
 *             ^                   |   received                       |   a message
 *             |                   v                                  v
 *             +---- answered -- IPC_ANSWER (a call only)          IPC_IDLE
 *
 * Without the lock `on` may be read to find it: objects and threads stay until the kernel exit of
 * everybody who looks at them now. What all waits have in common is in wait.h.
 *
 * Locking: [W] the lock of the object that `on` names, or the thread itself while that is NULL
 *          [O] the thread itself
 *          [E] the lock of the object that the capability names   [A] atomic   [C] constant
 */
#pragma once

#include <base/list.h>
#include <base/status.h>
#include <base/tree.h>
#include <stdbool.h>
#include <stdint.h>

struct capability;
struct object;
struct reply;
struct thread;

enum ipc_state {
    IPC_IDLE,      /* `on` is NULL, whatever is written here */
    IPC_SEND,      /* queued at an endpoint with a message */
    IPC_CALL,      /* the same, and wants an answer */
    IPC_RECEIVE,   /* at an endpoint, for a message */
    IPC_ANSWER,    /* its call was received, the answer is to come */
    IPC_SIGNAL,    /* at a notification, for bits */
    IPC_BUSY = 16, /* with one of these: capabilities are on their way, not to be ended now */
};

/* A thread that uses a capability, in capability->uses. The link stays when the wait is over: most
 * threads come back with the same capability.
 */
struct ipc_use {
    struct list node;              /* [E] */
    struct capability *capability; /* [E] NULL: not linked */
    struct thread *thread;         /* [C] */
};

enum ipc_role { IPC_SENDER, IPC_RECEIVER, IPC_ROLES };

/* What a handle was found to name, with the type and rights that its use takes. True as long as
 * nothing has left the table: see fast.c.
 */
struct ipc_known {
    uint64_t handle;
    uint64_t removals; /* of the table, before */
    struct capability *capability;
};

enum ipc_handle { IPC_SEND_TO, IPC_RECEIVE_FROM, IPC_ANSWER_BY, IPC_HANDLES };

struct ipc_wait {
    struct object *on;     /* [A] written under its lock; NULL: waits for nothing */
    uint8_t state;         /* [W] of enum ipc_state */
    uint8_t aborted;       /* [W] what ended it meanwhile, or OK */
    uint8_t priority;      /* [W] in the queue of senders */
    struct reply *reply;   /* [W] RECEIVE: reserved for it; ANSWER: bound to it */
    struct tree_node node; /* [W] SEND, CALL */
    struct ipc_use use[IPC_ROLES];
    struct ipc_known known[IPC_HANDLES]; /* [O] */
    const uint64_t *removals;            /* [C] -> [A] of its table */
};

void ipc_thread_init(struct thread *thread);
/* It is dead and waits nowhere. No lock held. */
void ipc_thread_fini(struct thread *thread);

/* The running thread sends through `capability`, with the words in its frame, and waits until it is
 * received (IPC_SEND) or answered (IPC_CALL). These four put their result into its frame.
 */
void ipc_send_current(struct capability *capability, uint64_t info, uint64_t deadline_ns,
                      enum ipc_state state);
/* The handlers behind the fast path. */
void ipc_call_slowly(struct thread *current);
void ipc_reply_receive_slowly(struct thread *current);
void ipc_receive_current(struct capability *capability, struct reply *reply, uint64_t info,
                         uint64_t deadline_ns);
void ipc_answer_current(struct reply *reply, uint64_t info);
void ipc_reply_receive_current(struct capability *capability, struct reply *reply, uint64_t info,
                               uint64_t deadline_ns);
