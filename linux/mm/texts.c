/* Arguments and environments. */
#include "exec_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>

enum { ROOM_FIRST = 4096 };

/* Room for so many bytes more. */
static int texts_reserve(struct texts *texts, uint64_t size_bytes)
{
    uint64_t needed = texts->size_bytes + size_bytes;
    uint64_t room = MAX(texts->room_bytes, (uint64_t)ROOM_FIRST);
    while (room < needed)
        room *= 2;
    if (room == texts->room_bytes)
        return 0;
    char *bytes = heap_resize(texts->bytes, room);
    if (bytes == NULL)
        return -ENOMEM;
    texts->bytes = bytes;
    texts->room_bytes = room;
    return 0;
}

int texts_add(struct texts *texts, const char *text)
{
    uint64_t size_bytes = strlen(text) + 1;
    if (size_bytes > TEXT_BYTES_MAX)
        return -E2BIG;
    int error = texts_reserve(texts, size_bytes);
    if (error != 0)
        return error;
    memcpy(texts->bytes + texts->size_bytes, text, size_bytes);
    texts->size_bytes += size_bytes;
    texts->count++;
    return 0;
}

int texts_add_front(struct texts *texts, const char *text)
{
    uint64_t size_bytes = strlen(text) + 1;
    int error = texts_reserve(texts, size_bytes);
    if (error != 0)
        return error;
    memmove(texts->bytes + size_bytes, texts->bytes, texts->size_bytes);
    memcpy(texts->bytes, text, size_bytes);
    texts->size_bytes += size_bytes;
    texts->count++;
    return 0;
}

void texts_drop_first(struct texts *texts)
{
    if (texts->count == 0)
        return;
    uint64_t size_bytes = strlen(texts->bytes) + 1;
    texts->size_bytes -= size_bytes;
    memmove(texts->bytes, texts->bytes + size_bytes, texts->size_bytes);
    texts->count--;
}

void texts_free(struct texts *texts)
{
    heap_free(texts->bytes);
    *texts = (struct texts){ 0 };
}

/* A text may be as long as it may be; room is doubled until it fits. */
static int add_from_guest(struct texts *texts, uaddr_t text)
{
    for (uint64_t wanted = 256;; wanted *= 2) {
        int error = texts_reserve(texts, wanted);
        if (error != 0)
            return error;
        uint64_t room = MIN(texts->room_bytes - texts->size_bytes, (uint64_t)TEXT_BYTES_MAX);
        int64_t length = copy_in_text(texts->bytes + texts->size_bytes, text, room);
        if (length >= 0) {
            texts->size_bytes += (uint64_t)length + 1;
            texts->count++;
            return 0;
        }
        if (length != -ENAMETOOLONG)
            return (int)length;
        if (room == TEXT_BYTES_MAX)
            return -E2BIG;
    }
}

int texts_from_guest(struct texts *texts, uaddr_t list, uint64_t limit)
{
    if (list == 0)
        return 0;
    for (;; list += sizeof(uint64_t)) {
        uint64_t text;
        int error = copy_in(&text, list, sizeof(text));
        if (error != 0)
            return error;
        if (text == 0)
            return 0;
        error = add_from_guest(texts, text);
        if (error != 0)
            return error;
        if (texts->size_bytes + texts->count * sizeof(uint64_t) > limit)
            return -E2BIG;
    }
}
