/* Below the clients and servers that are made from abi/protocols: messages taken apart. Whatever a
 * peer sends is checked here or in the made code before anybody uses it.
 */
#pragma once

#include <base/status.h>
#include <ipc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Send, wait, and look at the status that came back. With any other status than OK no handle of the
 * answer is left. ERR_FORMAT: the peer does not speak the protocol. */
enum status protocol_call(uint64_t endpoint, struct ipc_message *message, uint64_t deadline_ns);

/* What is wrong with an answer; its handles are closed. Returns the status. */
enum status protocol_broken(const struct ipc_message *message, enum status status);

/* Make a message its own answer: no, for this reason. Its handles are closed. */
void protocol_refuse(struct ipc_message *message, enum status status);

/* It has so many words, the last of them so many handles. */
bool protocol_shape(const struct ipc_message *message, unsigned words, unsigned handles);

/* A size at word `at`, and the bytes in the words behind it, which end the message. Returns how
 * many words the message has now; the caller has checked that there is room. */
unsigned protocol_put_bytes(struct ipc_message *message, unsigned at, const void *from,
                            size_t size_bytes);
/* False if that is not what stands there, or more than there is room for. */
bool protocol_take_bytes(const struct ipc_message *message, unsigned at, void *to,
                         size_t room_bytes, size_t *size_out);
