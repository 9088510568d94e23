/* Starting the first program.
 *
 *   FLAT_BASE         the program
 *   STACK_TOP - 64K   its stack, demand-zero, with nothing mapped below
 *   SYSTEM_IMAGE_AT   the system image, read-only
 */
#include <base/string.h>
#include <first_program.h>
#include <kernel/boot_info.h>
#include <kernel/bootstrap.h>
#include <kernel/flat.h>
#include <kernel/log.h>
#include <kernel/sched.h>
#include <kernel/thread.h>

enum { STACK_BYTES = 64 * 1024 };
#define STACK_TOP ((uint64_t)0x7fffff000000)

extern const struct flat_header bootstrap_image;

/* The boot module that is the system image: the one whose name ends so; NULL if there is none. */
static const struct boot_module *find_system_image(const struct boot_info *info)
{
    static const char suffix[] = "system.erofs";
    for (size_t i = 0; i < info->module_count; i++) {
        size_t length = strlen(info->module[i].path);
        if (length >= sizeof(suffix) - 1 &&
            strcmp(info->module[i].path + length - (sizeof(suffix) - 1), suffix) == 0)
            return &info->module[i];
    }
    return NULL;
}

static enum status map_system_image(struct vspace *vspace, const struct boot_module *module)
{
    size_t pages = (size_t)((module->size_bytes + PAGE_SIZE - 1) / PAGE_SIZE);
    return vspace_map_physical(vspace, uaddr(SYSTEM_IMAGE_AT), module->base, pages, PERM_READ);
}

static enum status build(struct vspace *vspace, const struct boot_module *module)
{
    enum status status = flat_load(vspace, &bootstrap_image);
    if (status == OK)
        status = vspace_reserve(vspace, uaddr(STACK_TOP - STACK_BYTES), STACK_BYTES,
                                PERM_READ | PERM_WRITE);
    if (status == OK && module != NULL && module->size_bytes != 0)
        status = map_system_image(vspace, module);
    return status;
}

static enum status run(struct vspace *vspace, uint64_t module_bytes)
{
    struct thread *thread;
    enum status status = thread_create(vspace, NULL, uaddr(bootstrap_image.entry), uaddr(STACK_TOP),
                                       module_bytes, &thread);
    if (status != OK)
        return status;
    status = thread_start(thread);
    thread_put(thread);
    return status;
}

enum status bootstrap_start(const struct boot_info *info)
{
    struct vspace *vspace;
    enum status status = vspace_create(&vspace);
    if (status != OK)
        return status;
    vspace->log_allowed = true;

    const struct boot_module *module = find_system_image(info);
    status = build(vspace, module);
    if (status == OK)
        status = run(vspace, module == NULL ? 0 : module->size_bytes);
    vspace_put(vspace);
    return status;
}
