/* Starting the first program.
 *
 *   FIRST_PROGRAM_AT  the program
 *   FIRST_STACK_TOP   its stack below it, demand-zero, with nothing mapped underneath
 *   SYSTEM_IMAGE_AT   the system image, read-only
 *   FIRST_MODULES_AT  what else the loader brought, as a list, read-only
 *
 * Its table (abi/first_program.h) holds a capability for everything that there is to give. Nothing
 * else in the kernel makes a capability out of nothing.
 */
#include <base/string.h>
#include <first_program.h>
#include <kernel/boot_info.h>
#include <kernel/bootstrap.h>
#include <kernel/device.h>
#include <kernel/dma.h>
#include <kernel/flat.h>
#include <kernel/irq_object.h>
#include <kernel/memory.h>
#include <kernel/panic.h>
#include <kernel/process.h>
#include <kernel/system.h>
#include <kernel/thread.h>

extern const struct flat_header bootstrap_image;

static_assert((FIRST_MODULE_MAX + 1) * sizeof(struct first_module) <= FIRST_MODULES_BYTES &&
                  (int)FIRST_MODULE_MAX == (int)BOOT_MODULE_MAX &&
                  (int)FIRST_MODULE_PATH_BYTES == (int)BOOT_NAME_MAX,
              "the list of modules is a page");

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

static enum status build(struct vspace *vspace, const struct boot_module *module)
{
    ASSERT(bootstrap_image.base == FIRST_PROGRAM_AT);
    enum status status = flat_load(vspace, &bootstrap_image);
    if (status == OK)
        status = vspace_reserve(vspace, uaddr(FIRST_STACK_TOP - FIRST_STACK_BYTES),
                                FIRST_STACK_BYTES, PERM_READ | PERM_WRITE);
    if (status == OK && module != NULL && module->size_bytes != 0)
        status = vspace_map_physical(
            vspace, uaddr(SYSTEM_IMAGE_AT), module->base,
            (size_t)(ALIGN_UP(module->size_bytes, PAGE_SIZE) >> PAGE_SHIFT), PERM_READ);
    return status;
}

static enum status run(struct process *process, uint64_t module_bytes)
{
    struct thread *thread;
    enum status status =
        thread_create(process->vspace, process->object.payer, uaddr(bootstrap_image.entry),
                      uaddr(FIRST_STACK_TOP), module_bytes, &thread);
    if (status != OK)
        return status;
    status = process_add_thread(process, thread);
    if (status == OK)
        status = thread_start(thread);
    thread_put(thread);
    return status;
}

/* Programs are mapped from modules, so nobody may write them. */
static enum status give_module(struct process *process, const struct boot_module *module,
                               uint64_t *handle_out)
{
    struct memory *memory;
    uint64_t size_bytes = ALIGN_UP(module->size_bytes, PAGE_SIZE);
    enum status status =
        memory_create_physical(process->object.payer, module->base, size_bytes, 0, &memory);
    if (status != OK)
        return status;
    status = cspace_create(&process->cspace, &memory->object,
                           object_type_rights(OBJECT_MEMORY) & ~(uint32_t)RIGHT_MEMORY_WRITE,
                           handle_out);
    memory_put(memory);
    return status;
}

/* The list, and a capability for each module that is not empty. */
static enum status give_modules(struct process *process, const struct boot_info *info,
                                const struct boot_module *image)
{
    struct memory *memory;
    enum status status = memory_create(process->object.payer, FIRST_MODULES_BYTES, &memory);

    if (status != OK)
        return status;
    for (size_t i = 0; i < info->module_count && status == OK; i++) {
        const struct boot_module *module = &info->module[i];
        struct first_module entry = { .size_bytes = module->size_bytes, .handle = HANDLE_IMAGE };
        (void)strlcpy(entry.path, module->path, sizeof(entry.path));
        if (module->size_bytes == 0)
            entry.handle = 0;
        else if (module != image)
            status = give_module(process, module, &entry.handle);
        if (status == OK)
            status = memory_write(memory, i * sizeof(entry), &entry, sizeof(entry));
    }
    struct map_request map = {
        .memory = memory,
        .at = uaddr(FIRST_MODULES_AT),
        .size_bytes = FIRST_MODULES_BYTES,
        .perm = PERM_READ,
        .limit = PERM_READ,
    };
    if (status == OK)
        status = vspace_map(process->vspace, &map);
    memory_put(memory);
    return status;
}

/* Each gets the handle that the program expects. */
static enum status give_all(struct process *process)
{
    const struct {
        struct object *object;
        uint64_t expected;
    } gifts[] = {
        { system_object(), HANDLE_SYSTEM },
        { &process->object, HANDLE_PROCESS },
        { &process->object.payer->object, HANDLE_BUDGET },
        { &device_memory.object, HANDLE_DEVICE_MEMORY },
        { &device_ports.object, HANDLE_DEVICE_PORTS },
        { &dma_object, HANDLE_DMA },
        { &irq_object, HANDLE_IRQ },
    };
    enum status status = OK;
    for (size_t i = 0; i < ARRAY_LEN(gifts) && status == OK; i++) {
        struct object *object = gifts[i].object;
        uint64_t handle;
        status = cspace_create(&process->cspace, object, object_type_rights(object->type), &handle);
        ASSERT(status != OK || handle == gifts[i].expected);
    }
    return status;
}

/* Whatever fails here ends the boot, so nothing is given back. */
enum status bootstrap_start(const struct boot_info *info)
{
    const struct boot_module *module = find_system_image(info);
    struct budget *budget;
    struct process *process;
    uint64_t image_handle = HANDLE_IMAGE;
    enum status status = budget_create(NULL, &budget);
    if (status == OK)
        status = process_create(budget, &process);
    if (status != OK)
        return status;
    process->essential = true;
    status = give_all(process);
    if (status == OK && module != NULL && module->size_bytes != 0)
        status = give_module(process, module, &image_handle);
    ASSERT(image_handle == HANDLE_IMAGE);
    if (status == OK)
        status = give_modules(process, info, module);
    if (status == OK)
        status = build(process->vspace, module);
    if (status == OK)
        status = run(process, module == NULL ? 0 : module->size_bytes);
    if (status != OK)
        return status;
    object_put(&process->object);
    budget_put(budget);
    return OK;
}
