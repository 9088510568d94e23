/* Files: the configuration, the kernel, the modules; each found, read, checked, or named in the
 * line that ends the loader.
 */

#include "boot_impl.h"

#include <base/string.h>
#include <boot/blake2b.h>
#include <boot/console.h>

/* The places where Limine looks, in its order. */
static const char *const config_paths[] = {
    "/limine.conf",          "/limine/limine.conf", "/boot/limine.conf", "/boot/limine/limine.conf",
    "/EFI/BOOT/limine.conf",
};

static NORETURN void load_failed(const char *what, const char *path, enum status status)
{
    if (status == ERR_NOT_FOUND)
        boot_fail("%s %s is missing", what, path);
    if (status == ERR_NO_MEMORY)
        boot_fail("not enough memory for %s %s", what, path);
    boot_fail("%s %s cannot be read", what, path);
}

void boot_load_config(struct boot *boot)
{
    struct boot_platform *platform = boot->platform;
    enum status status = ERR_NOT_FOUND;
    const char *path = NULL;
    struct boot_file file;
    struct config_problem problem;

    for (size_t i = 0; i < ARRAY_LEN(config_paths) && status == ERR_NOT_FOUND; i++) {
        path = config_paths[i];
        status = platform->read_file(platform, path, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE, &file);
    }
    if (status == ERR_NOT_FOUND)
        boot_fail("the configuration limine.conf is missing");
    if (status != OK)
        load_failed("the configuration", path, status);

    char *work = arena_take(&boot->arena, CONFIG_WORK_BYTES(MIN(file.size_bytes, CONFIG_FILE_MAX)));
    if (config_parse(file.data, file.size_bytes, arch_config_name, work, &boot->config, &problem) !=
        OK) {
        if (problem.line != 0)
            boot_fail("the configuration %s is corrupt: line %u: %s", path, problem.line,
                      problem.text);
        boot_fail("the configuration %s is corrupt: %s", path, problem.text);
    }
    boot_console_options(boot->config.cmdline);
}

/* The digest that Limine's format puts behind the path: 128 hexadecimal digits, or NULL for none.
 */
static void load_check_hash(const char *what, const char *path, const char *hash,
                            const struct boot_file *file)
{
    uint8_t expected[BLAKE2B_BYTES], digest[BLAKE2B_BYTES];
    if (hash == NULL)
        return;
    if (!config_parse_hex(hash, expected, sizeof(expected)))
        boot_fail("%s %s has a malformed BLAKE2b digest", what, path);
    blake2b(file->data, file->size_bytes, digest);
    if (memcmp(digest, expected, sizeof(digest)) != 0)
        boot_fail("%s %s is corrupt: its BLAKE2b digest is not the configured one", what, path);
}

/* Read what a `resource():/path` of the configuration names. */
static const char *load_uri(struct boot *boot, const char *what, const char *uri, uint64_t type,
                            struct boot_file *file_out)
{
    const char *path, *hash;
    struct boot_platform *platform = boot->platform;

    enum status status = config_split_path(arena_text(&boot->arena, uri), &path, &hash);
    if (status == ERR_UNSUPPORTED)
        boot_fail("%s %s is not on the boot volume boot():", what, uri);
    if (status != OK)
        boot_fail("%s %s is not of the form boot():/path", what, uri);
    status = platform->read_file(platform, path, type, file_out);
    if (status != OK)
        load_failed(what, path, status);
    load_check_hash(what, path, hash, file_out);
    return path;
}

static void load_cmdline(struct boot *boot)
{
    const char *own = boot->config.cmdline;
    const char *added = boot->platform->cmdline != NULL ? boot->platform->cmdline : "";
    size_t own_bytes = strlen(own), added_bytes = strlen(added);

    boot->cmdline = arena_take(&boot->arena, own_bytes + added_bytes + 2);
    memcpy(boot->cmdline, own, own_bytes);
    if (own_bytes > 0 && added_bytes > 0)
        boot->cmdline[own_bytes++] = ' ';
    memcpy(boot->cmdline + own_bytes, added, added_bytes);
}

void boot_load_kernel(struct boot *boot)
{
    const char *problem;
    struct elf_image *image = &boot->image;

    boot->kernel_path = load_uri(boot, "the kernel", boot->config.kernel_path,
                                 LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE, &boot->kernel);
    if (kernel_parse(boot->kernel.data, boot->kernel.size_bytes, arch_elf_machine, image,
                     &problem) != OK)
        boot_fail("the kernel %s cannot be used: %s", boot->kernel_path, problem);
    if (boot_alloc(boot->platform, image->size_bytes, LIMINE_MEMMAP_KERNEL_AND_MODULES,
                   &boot->image_memory) != OK)
        boot_fail("not enough memory for the kernel %s", boot->kernel_path);
    kernel_load(image, boot->kernel.data, boot->image_memory);
    arch_sync_code(boot->image_memory, image->size_bytes);

    if (request_scan(boot->image_memory, image->file_backed_bytes, &boot->request, &problem) != OK)
        boot_fail("the kernel %s cannot be used: %s", boot->kernel_path, problem);
    load_cmdline(boot);
}

static void load_check_digest(const struct config_module *module, const char *path,
                              const struct boot_file *file)
{
    uint8_t digest[SHA256_BYTES];
    if (!module->digest_present)
        return;
    sha256(file->data, file->size_bytes, digest);
    if (memcmp(digest, module->digest, sizeof(digest)) != 0)
        boot_fail("the module %s is corrupt: its SHA-256 is not the configured one", path);
}

void boot_load_modules(struct boot *boot)
{
    for (size_t i = 0; i < boot->config.module_count; i++) {
        const struct config_module *module = &boot->config.module[i];
        boot->module_path[i] = load_uri(boot, "the module", module->path,
                                        LIMINE_MEMMAP_KERNEL_AND_MODULES, &boot->module[i]);
        load_check_digest(module, boot->module_path[i], &boot->module[i]);
    }
}
