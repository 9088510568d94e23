/* What only the whole manifest shows: who is meant by each peer, whether it has what is taken from
 * it, whether anything is given twice, and in which order the services start.
 */
#include "manifest_impl.h"
#include <base/fmt.h>
#include <base/string.h>

#define RIGHTS_PROCESS (RIGHT_PROCESS_MAP | RIGHT_PROCESS_SPAWN | RIGHT_ANY_INSPECT)
#define RIGHTS_BUDGET  (RIGHT_BUDGET_CHARGE | RIGHT_BUDGET_SPLIT | RIGHT_ANY_INSPECT)

#define OFFER(source, name, type, rights, exclusive)                                               \
    { MANIFEST_FROM_##source, #name, OBJECT_##type, (rights), (exclusive) },
const struct manifest_offer manifest_offers[] = {
#include "offers.def"
};
#undef OFFER
const unsigned manifest_offer_count = ARRAY_LEN(manifest_offers);

int manifest_find(const struct manifest *manifest, const char *name)
{
    for (unsigned i = 0; i < manifest->service_count; i++) {
        if (strcmp(manifest->service[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

void manifest_rights_text(enum object_type type, uint32_t rights, char *to, size_t size_bytes)
{
    size_t used = 0;
    (void)strlcpy(to, "-", size_bytes);
    for (unsigned bit = 0; bit < 32; bit++) {
        const char *name = (rights >> bit & 1) != 0 ? object_right_name(type, bit) : NULL;
        if (name == NULL || used >= size_bytes)
            continue;
        size_t start = used;
        used += format_text(&to[used], size_bytes - used, "%s%s", used > 0 ? "," : "", name);
        for (size_t i = start; i < used && i < size_bytes; i++) {
            if (to[i] >= 'A' && to[i] <= 'Z')
                to[i] = (char)(to[i] - 'A' + 'a');
            else if (to[i] == '_')
                to[i] = '-';
        }
    }
}

/* ---- Peers ---- */

static bool resolve_endpoint(struct manifest *manifest, struct manifest_take *take)
{
    int peer = manifest_find(manifest, take->peer);
    if (peer < 0)
        return manifest_refuse(manifest, take->line, "no service '%s' to take from", take->peer);
    if ((unsigned)peer == take->service)
        return manifest_refuse(manifest, take->line, "%s takes from itself", take->peer);
    for (unsigned i = 0; i < manifest->serve_count; i++) {
        if (manifest->serve[i].service == (unsigned)peer &&
            strcmp(manifest->serve[i].name, take->name) == 0) {
            take->from = i;
            return true;
        }
    }
    return manifest_refuse(manifest, take->line, "%s does not serve '%s'", take->peer, take->name);
}

static bool resolve_take(struct manifest *manifest, struct manifest_take *take)
{
    if (take->source == MANIFEST_FROM_SERVICE && !resolve_endpoint(manifest, take))
        return false;
    bool service = take->source == MANIFEST_FROM_SERVICE;
    const struct manifest_offer *offer = service ? NULL : &manifest_offers[take->from];
    enum object_type type = service ? OBJECT_ENDPOINT : offer->type;
    uint32_t most = service ? RIGHT_ENDPOINT_SEND : offer->rights;
    if (type == OBJECT_ENDPOINT && take->rights == 0)
        take->rights = RIGHT_ENDPOINT_SEND;
    if ((take->rights & ~most) != 0) {
        char text[96];
        manifest_rights_text(type, take->rights & ~most, text, sizeof(text));
        return manifest_refuse(manifest, take->line, "%s does not give '%s' with %s", take->peer,
                               take->name, text);
    }
    return take->rights != 0 ||
           manifest_refuse(manifest, take->line, "which rights to '%s'?", take->name);
}

/* ---- Twice ---- */

static bool same_thing(const struct manifest_take *a, const struct manifest_take *b)
{
    return a->source == b->source && a->from == b->from;
}

/* An exclusive right that somebody before has already; or a service that takes one thing twice. */
static bool given_before(struct manifest *manifest, const struct manifest_take *take)
{
    for (const struct manifest_take *other = manifest->take; other < take; other++) {
        if (!same_thing(other, take))
            continue;
        uint32_t clash = take->source == MANIFEST_FROM_SERVICE
                             ? 0
                             : manifest_offers[take->from].exclusive & take->rights & other->rights;
        if (clash != 0) {
            char text[64];
            manifest_rights_text(manifest_offers[take->from].type, clash, text, sizeof(text));
            return !manifest_refuse(manifest, take->line, "%s has '%s' with %s already (line %u)",
                                    manifest->service[other->service].name, take->name, text,
                                    other->line);
        }
        if (other->service == take->service)
            return !manifest_refuse(manifest, take->line, "%s takes '%s' twice (line %u)",
                                    manifest->service[take->service].name, take->name, other->line);
    }
    return false;
}

static bool name_free(struct manifest *manifest, unsigned service, unsigned index)
{
    struct manifest_grant grant;
    struct manifest_grant other;
    manifest_grant(manifest, service, index, &grant);
    for (unsigned i = 0; i < index; i++) {
        manifest_grant(manifest, service, i, &other);
        if (strcmp(grant.name, other.name) == 0)
            return false;
    }
    return true;
}

static unsigned line_of_grant(const struct manifest *manifest, unsigned service, unsigned index)
{
    unsigned left = index - MANIFEST_STANDARD_COUNT;
    for (unsigned i = 0; i < manifest->serve_count; i++) {
        if (manifest->serve[i].service == service && left-- == 0)
            return manifest->serve[i].line;
    }
    for (unsigned i = 0; i < manifest->take_count; i++) {
        if (manifest->take[i].service == service && left-- == 0)
            return manifest->take[i].line;
    }
    return manifest->service[service].line;
}

/* Each capability of a service has a name of its own, and there are not too many. */
static bool names_ok(struct manifest *manifest, unsigned service)
{
    unsigned count = manifest_grant_count(manifest, service);
    if (count > MANIFEST_GRANT_MAX)
        return manifest_refuse(manifest, manifest->service[service].line,
                               "%s starts with more than %d capabilities",
                               manifest->service[service].name, MANIFEST_GRANT_MAX);
    for (unsigned i = MANIFEST_STANDARD_COUNT; i < count; i++) {
        struct manifest_grant grant;
        if (name_free(manifest, service, i))
            continue;
        manifest_grant(manifest, service, i, &grant);
        return manifest_refuse(manifest, line_of_grant(manifest, service, i),
                               "%s has a capability '%s' already", manifest->service[service].name,
                               grant.name);
    }
    return true;
}

/* ---- Order ---- */

/* A capability that the service waits for: whoever gives it has not been placed. */
static const struct manifest_take *waits_for(const struct manifest *manifest, unsigned service,
                                             uint32_t placed)
{
    for (unsigned i = 0; i < manifest->take_count; i++) {
        const struct manifest_take *take = &manifest->take[i];
        if (take->service == service && take->source == MANIFEST_FROM_SERVICE &&
            (placed >> manifest->serve[take->from].service & 1) == 0)
            return take;
    }
    return NULL;
}

/* Everybody left waits for somebody left, so following the peers comes round. */
static bool refuse_cycle(struct manifest *manifest, unsigned service, uint32_t placed)
{
    char text[MANIFEST_ERROR_BYTES];
    uint32_t seen = 0;
    size_t used = 0;
    while ((seen >> service & 1) == 0) {
        seen |= 1u << service;
        service = manifest->serve[waits_for(manifest, service, placed)->from].service;
    }
    const struct manifest_take *first = waits_for(manifest, service, placed);
    unsigned at = service;
    do {
        used +=
            format_text(&text[used], sizeof(text) - used, "%s from ", manifest->service[at].name);
        used = MIN(used, sizeof(text) - 1);
        at = manifest->serve[waits_for(manifest, at, placed)->from].service;
    } while (at != service);
    return manifest_refuse(manifest, first->line, "a circle, nobody can start first: %s%s", text,
                           manifest->service[service].name);
}

static bool resolve_order(struct manifest *manifest)
{
    uint32_t placed = 0;
    for (unsigned count = 0; count < manifest->service_count; count++) {
        unsigned next = 0;
        while (next < manifest->service_count &&
               ((placed >> next & 1) != 0 || waits_for(manifest, next, placed) != NULL))
            next++;
        if (next == manifest->service_count) {
            for (next = 0; (placed >> next & 1) != 0; next++)
                ;
            return refuse_cycle(manifest, next, placed);
        }
        manifest->order[count] = next;
        placed |= 1u << next;
    }
    return true;
}

static_assert(MANIFEST_SERVICE_MAX <= 32, "sets of services are 32-bit words");

bool manifest_resolve(struct manifest *manifest)
{
    for (unsigned i = 0; i < manifest->take_count; i++) {
        if (!resolve_take(manifest, &manifest->take[i]) ||
            given_before(manifest, &manifest->take[i]))
            return false;
    }
    for (unsigned i = 0; i < manifest->service_count; i++) {
        if (!names_ok(manifest, i))
            return false;
    }
    return resolve_order(manifest);
}

/* ---- Who gets what ---- */

unsigned manifest_grant_count(const struct manifest *manifest, unsigned service)
{
    unsigned count = MANIFEST_STANDARD_COUNT;
    for (unsigned i = 0; i < manifest->serve_count; i++)
        count += manifest->serve[i].service == service;
    for (unsigned i = 0; i < manifest->take_count; i++)
        count += manifest->take[i].service == service;
    return count;
}

static void grant_taken(const struct manifest_take *take, struct manifest_grant *grant)
{
    bool service = take->source == MANIFEST_FROM_SERVICE;
    *grant = (struct manifest_grant){
        .name = take->as,
        .peer = take->peer,
        .origin = take->name,
        .type = service ? OBJECT_ENDPOINT : manifest_offers[take->from].type,
        .rights = take->rights,
        .source = take->source,
        .from = take->from,
    };
    if (grant->type == OBJECT_ENDPOINT)
        grant->badge = manifest_badge(take->service);
    if (grant->type == OBJECT_ENDPOINT && !service)
        grant->badge |=
            strcmp(take->name, "control") == 0 ? MANIFEST_BADGE_CONTROL : MANIFEST_BADGE_MODULES;
}

void manifest_grant(const struct manifest *manifest, unsigned service, unsigned index,
                    struct manifest_grant *grant_out)
{
    const struct manifest_grant standard[MANIFEST_STANDARD_COUNT] = {
        [MANIFEST_PROCESS] = { .name = "process",
                               .type = OBJECT_PROCESS,
                               .rights = RIGHTS_PROCESS },
        [MANIFEST_BUDGET] = { .name = "budget", .type = OBJECT_BUDGET, .rights = RIGHTS_BUDGET },
        [MANIFEST_SUPERVISOR] = { .name = "supervisor",
                                  .type = OBJECT_ENDPOINT,
                                  .rights = RIGHT_ENDPOINT_SEND,
                                  .badge = manifest_badge(service) },
    };
    if (index < MANIFEST_STANDARD_COUNT) {
        *grant_out = standard[index];
        grant_out->peer = "init";
        grant_out->origin = grant_out->name;
        grant_out->source = MANIFEST_FROM_INIT;
        grant_out->from = index;
        return;
    }
    index -= MANIFEST_STANDARD_COUNT;
    for (unsigned i = 0; i < manifest->serve_count; i++) {
        const struct manifest_serve *serve = &manifest->serve[i];
        if (serve->service != service || index-- != 0)
            continue;
        *grant_out = (struct manifest_grant){
            .name = serve->name,
            .peer = "init",
            .origin = serve->name,
            .type = OBJECT_ENDPOINT,
            .rights = RIGHT_ENDPOINT_RECEIVE,
            .source = MANIFEST_FROM_INIT,
            .serves = true,
            .from = i,
        };
        return;
    }
    for (unsigned i = 0; i < manifest->take_count; i++) {
        if (manifest->take[i].service == service && index-- == 0) {
            grant_taken(&manifest->take[i], grant_out);
            return;
        }
    }
    *grant_out = (struct manifest_grant){ 0 };
}

void manifest_grant_line(const struct manifest_grant *grant, const char *service, char *to,
                         size_t size_bytes)
{
    char rights[96];
    manifest_rights_text(grant->type, grant->rights, rights, sizeof(rights));
    (void)format_text(to, size_bytes, "%s %s %s %s %llu", service, grant->name,
                      object_type_name(grant->type), rights, (unsigned long long)grant->badge);
}
