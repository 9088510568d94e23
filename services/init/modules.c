/* The files that the loader brought beside the system image, for whoever takes `modules`. The list
 * is the kernel's (abi/first_program.h) and does not change.
 */
#include <base/string.h>
#include <first_program.h>
#include <protocol_modules.h>
#include <rt/startup.h>
#include <rt/syscall.h>

#include "init.h"

static const struct first_module *const modules =
    (const struct first_module *)(uintptr_t)FIRST_MODULES_AT;

static const struct first_module *module_of(unsigned index)
{
    for (unsigned i = 0; i < FIRST_MODULE_MAX && modules[i].path[0] != '\0'; i++) {
        if (modules[i].handle != HANDLE_IMAGE && index-- == 0)
            return &modules[i];
    }
    return NULL;
}

static const char *last_part(const char *path)
{
    const char *part = path;
    for (const char *at = path; *at != '\0'; at++) {
        if (*at == '/')
            part = at + 1;
    }
    return part;
}

static enum status answer_count(void *context, uint64_t badge, struct modules_count_out *out)
{
    (void)context;
    (void)badge;
    while (module_of(out->modules) != NULL)
        out->modules++;
    return OK;
}

static enum status answer_name(void *context, uint64_t badge, const struct modules_name_in *in,
                               struct modules_name_out *out)
{
    const struct first_module *module = module_of(in->index);
    (void)context;
    (void)badge;
    if (module == NULL)
        return ERR_NOT_FOUND;
    const char *name = last_part(module->path);
    if (strlen(name) > sizeof(out->name))
        return ERR_RANGE;
    out->name_size = strlen(name);
    memcpy(out->name, name, out->name_size);
    return OK;
}

static enum status answer_contents(void *context, uint64_t badge,
                                   const struct modules_contents_in *in,
                                   struct modules_contents_out *out)
{
    const struct first_module *module = module_of(in->index);
    (void)context;
    (void)badge;
    if (module == NULL || module->handle == 0)
        return ERR_NOT_FOUND;
    out->size = module->size_bytes;
    return handle_copy(module->handle, RIGHT_MEMORY_READ | RIGHT_MEMORY_MAP | RIGHT_ANY_GRANT, 0, 0,
                       &out->memory);
}

const struct modules_handlers modules_handlers = {
    .count = answer_count,
    .name = answer_name,
    .contents = answer_contents,
};
