/* Messages: the calls that look handles up and leave the rest to kernel/ipc. Their words are in
 * more registers than usual, so they read and write the frame themselves (abi/ipc.h).
 */
#include <kernel/endpoint.h>
#include <kernel/reply.h>
#include <kernel/syscall.h>
#include <kernel/thread.h>

static uint64_t word(const struct thread *current, unsigned index)
{
    return arch_frame_syscall_argument(&current->frame, index);
}

static void refuse(struct thread *current, enum status status)
{
    arch_frame_syscall_return(&current->frame, (uint64_t)status, 0);
}

/* Receive, and answer before that or not. */
static void receive(struct thread *current,
                    void (*by)(struct capability *capability, struct reply *reply, uint64_t info,
                               uint64_t deadline_ns))
{
    struct capability_ref endpoint;
    struct object *reply;
    enum status status =
        syscall_capability(word(current, 0), OBJECT_ENDPOINT, RIGHT_ENDPOINT_RECEIVE, &endpoint);

    if (status == OK)
        status = syscall_lookup(word(current, 3), OBJECT_REPLY, 0, &reply);
    if (LIKELY(status == OK))
        by(endpoint.capability, object_as_reply(reply), word(current, 1), word(current, 2));
    else
        refuse(current, status);
}

void ipc_call_slowly(struct thread *current)
{
    struct capability_ref endpoint;
    enum status status =
        syscall_capability(word(current, 0), OBJECT_ENDPOINT, RIGHT_ENDPOINT_SEND, &endpoint);

    if (LIKELY(status == OK))
        ipc_send_current(endpoint.capability, word(current, 1), word(current, 2), IPC_CALL);
    else
        refuse(current, status);
}

void ipc_reply_receive_slowly(struct thread *current)
{
    receive(current, ipc_reply_receive_current);
}

/* What is neither is looked up once more, as an endpoint: that says why not, and is recorded. */
void sys_ipc_send(struct thread *current)
{
    struct capability_ref to;
    enum status status = syscall_capability(word(current, 0), OBJECT_ANY, 0, &to);

    if (status == OK && to.object->type == OBJECT_REPLY) {
        ipc_answer_current(object_as_reply(to.object), word(current, 1));
        return;
    }
    if (status == OK &&
        (to.object->type != OBJECT_ENDPOINT || (to.rights & RIGHT_ENDPOINT_SEND) == 0))
        status = syscall_capability(word(current, 0), OBJECT_ENDPOINT, RIGHT_ENDPOINT_SEND, &to);
    if (status == OK)
        ipc_send_current(to.capability, word(current, 1), word(current, 2), IPC_SEND);
    else
        refuse(current, status);
}

void sys_ipc_receive(struct thread *current)
{
    receive(current, ipc_receive_current);
}
