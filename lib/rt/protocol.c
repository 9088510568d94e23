#include <base/string.h>
#include <rt/ipc.h>
#include <rt/protocol.h>
#include <rt/syscall.h>

enum { STATUS_MAX = 255 };

/* Handles are the last of the words. */
static void close_handles(const struct ipc_message *message)
{
    unsigned words = ipc_info_words(message->info);
    unsigned handles = ipc_info_capabilities(message->info);
    for (unsigned i = 0; i < handles && i < words && words <= IPC_WORDS; i++)
        (void)handle_close(message->word[words - 1 - i]);
}

enum status protocol_broken(const struct ipc_message *message, enum status status)
{
    close_handles(message);
    return status;
}

enum status protocol_call(uint64_t endpoint, struct ipc_message *message, uint64_t deadline_ns)
{
    uint32_t label = ipc_info_label(message->info);
    enum status status = ipc_call(endpoint, message, deadline_ns);
    if (status != OK)
        return status;
    uint64_t word = message->word[0];
    if (ipc_info_label(message->info) != label || ipc_info_words(message->info) == 0 ||
        word > STATUS_MAX)
        return protocol_broken(message, ERR_FORMAT);
    return word == OK ? OK : protocol_broken(message, (enum status)word);
}

void protocol_refuse(struct ipc_message *message, enum status status)
{
    close_handles(message);
    message->word[0] = (uint64_t)status;
    message->info = ipc_info(ipc_info_label(message->info), 1);
}

bool protocol_shape(const struct ipc_message *message, unsigned words, unsigned handles)
{
    return ipc_info_words(message->info) == words &&
           ipc_info_capabilities(message->info) == handles;
}

unsigned protocol_put_bytes(struct ipc_message *message, unsigned at, const void *from,
                            size_t size_bytes)
{
    unsigned words = (unsigned)((size_bytes + 7) / 8);
    if (words > 0)
        message->word[at + words] = 0;
    message->word[at] = size_bytes;
    memcpy(&message->word[at + 1], from, size_bytes);
    return at + 1 + words;
}

bool protocol_take_bytes(const struct ipc_message *message, unsigned at, void *to,
                         size_t room_bytes, size_t *size_out)
{
    if (ipc_info_words(message->info) <= at || ipc_info_capabilities(message->info) != 0)
        return false;
    uint64_t size_bytes = message->word[at];
    if (size_bytes > room_bytes || ipc_info_words(message->info) != at + 1 + (size_bytes + 7) / 8)
        return false;
    memcpy(to, &message->word[at + 1], (size_t)size_bytes);
    *size_out = (size_t)size_bytes;
    return true;
}
