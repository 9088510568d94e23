/* Any bytes as a manifest: refused with one line, or everything that it says can be asked for. */
#include <base/string.h>
#include <manifest/manifest.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void check_service(const struct manifest *manifest, unsigned service)
{
    unsigned count = manifest_grant_count(manifest, service);
    if (count > MANIFEST_GRANT_MAX)
        abort();
    for (unsigned i = 0; i < count; i++) {
        struct manifest_grant grant;
        char line[MANIFEST_GRANT_LINE_BYTES];
        manifest_grant(manifest, service, i, &grant);
        manifest_grant_line(&grant, manifest->service[service].name, line, sizeof(line));
        if ((grant.rights & ~object_type_rights(grant.type)) != 0 || grant.rights == 0 ||
            strlen(line) + 1 == sizeof(line))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct manifest manifest;
    uint64_t started = 0;
    if (manifest_read(&manifest, (const char *)data, size_bytes) != OK) {
        if (manifest.error[0] == '\0')
            abort();
        return 0;
    }
    for (unsigned i = 0; i < manifest.service_count; i++) {
        check_service(&manifest, i);
        started |= (uint64_t)1 << manifest.order[i];
    }
    if (started != ((uint64_t)1 << manifest.service_count) - 1)
        abort();
    return 0;
}
