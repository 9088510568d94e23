/* A Reply: the right to answer one call, in an object that is made beforehand and used again.
 *
 *     free --ipc_receive--> reserved --a call arrives--> bound --the answer--> free
 *
 * `thread` is the receiver that has reserved it, or the caller that it is bound to; which of the
 * two the thread's own state tells. It changes with the lock of the endpoint held where that thread
 * waits; from free to reserved by compare and swap.
 */
#pragma once

#include <kernel/object.h>

struct reply {
    struct object object;  /* first */
    struct thread *thread; /* [A] NULL: free */
};

/* The caller gets the reference. ERR_NO_MEMORY; ERR_LIMIT, ERR_DEAD: the payer's. */
enum status reply_create(struct budget *payer, struct object **object_out);

OBJECT_TYPE(reply);
