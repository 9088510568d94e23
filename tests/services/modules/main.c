/* A program that lists what the loader brought beside the system image, with SHA-256 of each. */
#include <digest/sha256.h>
#include <inttypes.h>
#include <protocol_modules.h>
#include <protocol_supervisor.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdio.h>

static uint64_t soon(void)
{
    return clock_deadline((uint64_t)5 * 1000 * 1000 * 1000);
}

static void hex(const uint8_t *digest, char *to)
{
    for (unsigned i = 0; i < SHA256_BYTES; i++)
        (void)snprintf(to + 2ull * i, 3, "%02x", digest[i]);
}

static enum status digest_of(const struct modules_contents_out *module, char *text)
{
    uint64_t span = (module->size + SPACE_PAGE - 1) / SPACE_PAGE * SPACE_PAGE;
    uint8_t digest[SHA256_BYTES];
    void *at;
    enum status status = space_map(module->memory, 0, span, ACCESS_READ, &at);
    if (status != OK)
        return status;
    sha256(at, (size_t)module->size, digest);
    hex(digest, text);
    return space_unmap(at, span);
}

static enum status list(uint64_t modules, uint32_t index)
{
    struct modules_name_out name;
    struct modules_contents_out module;
    const struct modules_name_in name_in = { .index = index };
    const struct modules_contents_in contents_in = { .index = index };
    char text[2 * SHA256_BYTES + 1] = "";
    enum status status = modules_call_name(modules, soon(), &name_in, &name);
    if (status == OK)
        status = modules_call_contents(modules, soon(), &contents_in, &module);
    if (status == OK)
        status = digest_of(&module, text);
    /* Nobody may write what the loader brought. */
    void *at;
    if (status == OK &&
        space_map(module.memory, 0, SPACE_PAGE, ACCESS_READ | ACCESS_WRITE, &at) != ERR_ACCESS)
        status = ERR_STATE;
    if (status == OK)
        rt_log("%.*s %" PRIu64 " %s", (int)name.name_size, (const char *)name.name, module.size,
               text);
    return status;
}

int main(void)
{
    uint64_t modules = rt_handle("modules");
    struct modules_count_out count = { 0 };
    enum status status = modules_call_count(modules, soon(), &count);
    for (uint32_t i = 0; i < count.modules && status == OK; i++)
        status = list(modules, i);
    const struct modules_contents_in beyond = { .index = count.modules };
    struct modules_contents_out none;
    if (status == OK && modules_call_contents(modules, soon(), &beyond, &none) != ERR_NOT_FOUND)
        status = ERR_STATE;
    rt_log("modules: %u listed: %s", count.modules, status_text(status));
    return 0;
}
