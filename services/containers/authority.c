/* What a sandbox may do is one list, made before it exists. sandbox.c gives exactly that, and the
 * same lines can be had of the list and of the table that the kernel shows.
 */
#include <base/fmt.h>
#include <base/string.h>
#include <manifest/manifest.h>
#include <object_info.h>
#include <rt/startup.h>
#include <rt/syscall.h>

#include "containers.h"

enum { INSPECT_BATCH = 16 };

static void add(struct grant grants[GRANT_MAX], unsigned *count, const char *name,
                const struct grant *grant)
{
    grants[*count] = *grant;
    (void)strlcpy(grants[*count].name, name, sizeof(grants[*count].name));
    (*count)++;
}

unsigned authority_grants(const struct containers *all, const struct container *container,
                          struct grant grants[GRANT_MAX])
{
    const uint64_t bit = (uint64_t)1 << container_slot(all, container);
    const uint32_t shared = RIGHT_MEMORY_READ | RIGHT_MEMORY_WRITE | RIGHT_MEMORY_MAP;
    const struct {
        const char *name;
        struct grant grant;
    } own[] = {
        { STARTUP_PROCESS,
          { .handle = container->process,
            .type = OBJECT_PROCESS,
            .rights = RIGHT_PROCESS_MAP | RIGHT_PROCESS_SPAWN | RIGHT_ANY_INSPECT } },
        { STARTUP_BUDGET,
          { .handle = container->budget,
            .type = OBJECT_BUDGET,
            .rights = RIGHT_BUDGET_CHARGE | RIGHT_BUDGET_SPLIT | RIGHT_ANY_INSPECT } },
        { "container",
          { .handle = container->block_memory,
            .type = OBJECT_MEMORY,
            .rights = RIGHT_MEMORY_READ | RIGHT_MEMORY_MAP } },
        { "events",
          { .handle = container->events_memory, .type = OBJECT_MEMORY, .rights = shared } },
        { "commands",
          { .handle = container->commands_memory, .type = OBJECT_MEMORY, .rights = shared } },
        { "creator",
          { .handle = all->notification,
            .type = OBJECT_NOTIFICATION,
            .rights = RIGHT_NOTIFICATION_SIGNAL,
            .badge = bit } },
        { "sandbox",
          { .handle = container->sandbox_signal,
            .type = OBJECT_NOTIFICATION,
            .rights = RIGHT_NOTIFICATION_WAIT | RIGHT_NOTIFICATION_SIGNAL } },
        { "clock",
          { .handle = rt_handle("clock"),
            .type = OBJECT_MEMORY,
            .rights = RIGHT_MEMORY_READ | RIGHT_MEMORY_MAP } },
    };
    unsigned count = 0;
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        add(grants, &count, own[i].name, &own[i].grant);
    for (unsigned i = 0; i < container->image.layer_count; i++) {
        char name[STARTUP_NAME_BYTES];
        const struct grant layer = {
            .handle = container->image.layer[i].memory,
            .type = OBJECT_MEMORY,
            .rights = RIGHT_MEMORY_READ | RIGHT_MEMORY_EXECUTE | RIGHT_MEMORY_MAP,
        };
        (void)format_text(name, sizeof(name), "layer.%u", i);
        add(grants, &count, name, &layer);
    }
    return count;
}

/* ---- As text ---- */

struct text {
    char *at;
    size_t used, room;
};

static void put_line(struct text *text, const char *name, const struct grant *grant)
{
    char rights[96];
    manifest_rights_text(grant->type, grant->rights, rights, sizeof(rights));
    size_t length =
        format_text(text->at + text->used, text->room - text->used, "%s %s %s %llx\n", name,
                    object_type_name(grant->type), rights, (unsigned long long)grant->badge);
    text->used = MIN(text->used + length, text->room - 1);
}

size_t authority_text(const struct containers *all, const struct container *container, char *to,
                      size_t size_bytes)
{
    static struct grant grants[GRANT_MAX];
    struct text text = { .at = to, .room = size_bytes };
    unsigned count = authority_grants(all, container, grants);
    for (unsigned i = 0; i < count; i++)
        put_line(&text, grants[i].name, &grants[i]);
    return text.used;
}

static enum status id_of(uint64_t handle, uint64_t *id_out)
{
    struct object_info info;
    enum status status = object_info(handle, &info, sizeof(info));
    *id_out = status == OK ? info.id : 0;
    return status;
}

/* Its table changes while we read: it makes objects of its own. The kernel knows whose table each
 * entry came from: what was given came from another's, and in our order. Names are ours alone.
 */
enum status authority_held_text(const struct container *container, char *to, size_t size_bytes,
                                size_t *size_out)
{
    struct text text = { .at = to, .room = size_bytes };
    uint64_t cursor = 0, self = 0;
    enum status status = id_of(container->process, &self);
    if (status != OK)
        return status;
    do {
        struct handle_info entry[INSPECT_BATCH];
        uint64_t next = 0;
        status = process_inspect(container->process, (uint32_t)cursor, entry, INSPECT_BATCH, &next);
        if (status != OK)
            return status;
        for (unsigned i = 0; i < INSPECT_BATCH && entry[i].handle != 0; i++) {
            const struct grant held = { .type = (enum object_type)entry[i].type,
                                        .rights = entry[i].rights,
                                        .badge = entry[i].badge };
            put_line(&text, entry[i].origin == self ? "own" : "given", &held);
        }
        cursor = next;
    } while (cursor != 0 && text.used < text.room - 1);
    *size_out = text.used;
    return OK;
}
