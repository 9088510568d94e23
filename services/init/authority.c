/* What a process really holds: its table as the kernel lists it, one line for each capability,
 * which is to be what out/host/authority says of the manifest. Names come from the start-up list; a
 * capability that is not on it would show as "?".
 */
#include <object_info.h>
#include <rt/log.h>
#include <rt/syscall.h>

#include "init.h"

#ifdef CONFIG_DEBUG
enum { BATCH = 16 };

static void print_entry(const struct init *init, unsigned service, unsigned index,
                        const struct handle_info *entry)
{
    char line[MANIFEST_GRANT_LINE_BYTES];
    struct manifest_grant grant = { .name = "?" };
    if (index < manifest_grant_count(&init->manifest, service))
        manifest_grant(&init->manifest, service, index, &grant);
    const struct manifest_grant held = {
        .name = grant.name,
        .type = (enum object_type)entry->type,
        .rights = entry->rights,
        .badge = entry->badge,
    };
    manifest_grant_line(&held, init->manifest.service[service].name, line, sizeof(line));
    rt_log("init: authority: %s", line);
}

void authority_print(const struct init *init, unsigned service)
{
    struct handle_info entry[BATCH];
    uint64_t cursor = 0;
    unsigned index = 0;
    if (init->instance[service].number != 0)
        return; /* once, for the first instance: the others get the same */
    do {
        uint64_t next;
        if (process_inspect(init->instance[service].process, (uint32_t)cursor, entry, BATCH,
                            &next) != OK)
            return;
        for (unsigned i = 0; i < BATCH && entry[i].handle != 0; i++)
            print_entry(init, service, index++, &entry[i]);
        cursor = next;
    } while (cursor != 0);
}
#else
void authority_print(const struct init *init, unsigned service)
{
    (void)init;
    (void)service;
}
#endif
