#include <base/compiler.h>
#include <rt/clock.h>
#include <rt/ipc.h>
#include <rt/protocol.h>
#include <rt/serve.h>
#include <rt/startup.h>
#include <stdbool.h>

/* An answer that could not be given leaves the caller waiting. */
static bool unanswered(enum status status)
{
    return status == ERR_INVALID || status == ERR_NOT_FOUND || status == ERR_ACCESS ||
           status == ERR_LIMIT || status == ERR_BUSY || status == ERR_NO_MEMORY;
}

/* Returns whether an answer is due. */
static bool handle(struct rt_server *server, struct ipc_message *message)
{
    bool call = (message->info & IPC_INFO_CALL) != 0;
    if ((message->info & IPC_INFO_SIGNAL) != 0) {
        if (server->signal != NULL)
            server->signal(server->context, message->word[0]);
        return false;
    }
    server->serve(server->context, message);
    return call;
}

static enum status wait_for(struct rt_server *server, struct ipc_message *message, bool answer)
{
    uint64_t deadline =
        server->deadline != NULL ? server->deadline(server->context) : DEADLINE_NEVER;
    uint64_t info = ipc_info_accept(answer ? message->info : 0, server->accept);
    message->info = info;
    if (!answer)
        return ipc_receive(server->endpoint, server->reply, message, deadline);
    enum status status = ipc_reply_receive(server->endpoint, server->reply, message, deadline);
    if (!unanswered(status))
        return status;
    protocol_refuse(message, status);
    message->info = ipc_info_accept(message->info, server->accept);
    return ipc_reply_receive(server->endpoint, server->reply, message, deadline);
}

enum status rt_serve(struct rt_server *server)
{
    struct ipc_message message = { 0 };
    bool answer = false;
    if (server->reply == 0) {
        enum status status = object_create(rt_budget(), OBJECT_REPLY, &server->reply);
        if (status != OK)
            return status;
    }
    for (;;) {
        enum status status = wait_for(server, &message, answer);
        answer = false;
        if (status == OK)
            answer = handle(server, &message);
        else if (status == ERR_TIMED_OUT && server->late != NULL)
            server->late(server->context);
        else if (status != ERR_TIMED_OUT && status != ERR_CANCELLED)
            return status;
    }
}
