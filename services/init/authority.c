/* What a process really holds: its table as the kernel lists it, one line for each capability,
 * which is to be what out/host/authority says of the manifest. Names come from the start-up list; a
 * capability that is not on it would show as "?".
 */
#include <object_info.h>
#include <rt/log.h>
#include <rt/startup.h>
#include <rt/syscall.h>

#include "init.h"

#ifdef CONFIG_DEBUG
enum { BATCH = 16 };

/* Whose table is printed, and who knows the names in it. */
struct listing {
    const char *owner;
    const char *title;
    const struct init *init; /* NULL: names are those of our own start-up list */
    unsigned service;
};

static const char *name_of(const struct listing *listing, unsigned index, uint64_t handle,
                           struct manifest_grant *grant)
{
    const struct startup *startup = rt_startup();
    if (listing->init != NULL) {
        if (index >= manifest_grant_count(&listing->init->manifest, listing->service))
            return "?";
        manifest_grant(&listing->init->manifest, listing->service, index, grant);
        return grant->name;
    }
    for (uint32_t i = 0; i < startup->capability_count; i++) {
        if (startup->capability[i].handle == handle)
            return startup->capability[i].name;
    }
    return "?";
}

static void print_entry(const struct listing *listing, unsigned index,
                        const struct handle_info *entry)
{
    char line[MANIFEST_GRANT_LINE_BYTES];
    struct manifest_grant grant;
    const struct manifest_grant held = {
        .name = name_of(listing, index, entry->handle, &grant),
        .type = (enum object_type)entry->type,
        .rights = entry->rights,
        .badge = entry->badge,
    };
    manifest_grant_line(&held, listing->owner, line, sizeof(line));
    rt_log("init: %s: %s", listing->title, line);
}

static void print_table(uint64_t process, const struct listing *listing)
{
    struct handle_info entry[BATCH];
    uint64_t cursor = 0;
    unsigned index = 0;
    do {
        uint64_t next;
        if (process_inspect(process, (uint32_t)cursor, entry, BATCH, &next) != OK)
            return;
        for (unsigned i = 0; i < BATCH && entry[i].handle != 0; i++)
            print_entry(listing, index++, &entry[i]);
        cursor = next;
    } while (cursor != 0);
}

void authority_print(const struct init *init, unsigned service)
{
    const struct listing listing = { init->manifest.service[service].name, "authority", init,
                                     service };
    if (init->instance[service].number == 0) /* the other instances get the same */
        print_table(init->instance[service].process, &listing);
}

void authority_print_own(void)
{
    const struct listing listing = { "init", "its own authority", NULL, 0 };
    print_table(rt_process(), &listing);
}
#else
void authority_print(const struct init *init, unsigned service)
{
    (void)init;
    (void)service;
}

void authority_print_own(void) {}
#endif
