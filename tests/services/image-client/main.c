/* image-client: gives every module of the loader to the service of that name, and prints what
 * became of it: each image with its names, configuration and layers, each layer with a digest of
 * what it holds; or why it was refused. Then everything is removed again. The last line is "done".
 */
#include <abi_syscalls.h>
#include <base/fmt.h>
#include <client/client.h>
#include <digest/sha256.h>
#include <fs/erofs.h>
#include <object_info.h>
#include <oci/config.h>
#include <protocol_control.h>
#include <protocol_images.h>
#include <protocol_modules.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdbool.h>
#include <string.h>

enum { PATIENCE_S = 600, TEXT_BYTES = 1024 };

static uint64_t images;
static uint64_t modules;

static uint64_t page_up(uint64_t size_bytes)
{
    return ALIGN_UP(size_bytes, (uint64_t)SPACE_PAGE);
}

/* ---- What there is in an image ---- */

static void print_list(const char *what, const struct image_config *config,
                       const struct image_config_list *list)
{
    const char *text;
    for (uint32_t i = 0; (text = oci_config_text(config, list, i)) != NULL; i++)
        rt_log("  %s %s", what, text);
}

static void print_description(uint32_t image)
{
    struct images_describe_out out;
    void *at;
    const struct images_describe_in in = { .image = image };
    enum status status = images_call_describe(images, client_soon(), &in, &out);
    if (status == OK)
        status = space_map(out.memory, 0, page_up(out.size), ACCESS_READ, &at);
    if (status != OK) {
        rt_log("  no description: %s", status_text(status));
        return;
    }
    const struct image_description *description = at;
    const struct image_config *config =
        (const void *)((const uint8_t *)at + description->config_at);
    if (!oci_config_valid(config, out.size - description->config_at)) {
        rt_log("  its description is wrong");
        return;
    }
    for (uint32_t i = 0; i < description->name_count; i++)
        rt_log("  name %s", description->name[i]);
    print_list("command", config, &config->command);
    print_list("environment", config, &config->environment);
    print_list("architecture", config, &config->architecture);
    (void)space_unmap(at, page_up(out.size));
    (void)handle_close(out.memory);
}

/* ---- What there is in a layer ---- */

/* A digest of the names and contents of all that is in the root directory. */
static enum status digest_root(const struct erofs *fs, uint8_t digest[SHA256_BYTES],
                               unsigned *count_out)
{
    struct sha256 hash;
    struct erofs_inode root;
    struct erofs_entry entry;
    uint64_t position = 0;
    sha256_begin(&hash);
    enum status status = erofs_inode(fs, fs->root_nid, &root);
    while (status == OK && (status = erofs_next(fs, &root, &position, &entry)) == OK) {
        struct erofs_inode inode;
        uint8_t bytes[512];
        size_t got = 1;
        status = erofs_inode(fs, entry.nid, &inode);
        if (status != OK || inode.kind != EROFS_FILE)
            continue;
        sha256_add(&hash, entry.name, (size_t)entry.length);
        for (uint64_t at = 0; got != 0 && status == OK; at += got) {
            status = erofs_read(fs, &inode, at, bytes, sizeof(bytes), &got);
            if (status == OK)
                sha256_add(&hash, bytes, got);
        }
        *count_out += 1;
    }
    sha256_end(&hash, digest);
    return status == ERR_NOT_FOUND ? OK : status;
}

static void print_layer(uint32_t image, uint32_t index)
{
    struct images_layer_out out;
    struct erofs fs;
    void *at = NULL;
    uint8_t digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    unsigned count = 0;
    const struct images_layer_in in = { .image = image, .index = index };
    enum status status = images_call_layer(images, client_soon(), &in, &out);
    if (status == OK)
        status = space_map(out.memory, 0, out.size, ACCESS_READ, &at);
    if (status == OK)
        status = erofs_open(&fs, at, out.size);
    if (status == OK)
        status = digest_root(&fs, digest, &count);
    if (status != OK) {
        rt_log("  layer %u: %s", index, status_text(status));
        return;
    }
    for (size_t i = 0; i < SHA256_BYTES; i++)
        (void)format_text(hex + 2 * i, 3, "%02x", digest[i]);
    struct object_info info;
    status = object_info(out.memory, &info, sizeof(info));
    rt_log("  layer %u: %llu bytes, object %llu, %u files %s", index, (unsigned long long)out.size,
           status == OK ? (unsigned long long)info.id : 0ull, count, hex);
    if (space_map(out.memory, 0, out.size, ACCESS_READ | ACCESS_WRITE, &at) != ERR_ACCESS)
        rt_log("  layer %u can be written to", index);
    (void)handle_close(out.memory);
}

/* ---- Archives ---- */

static void print_problem(uint32_t archive)
{
    char text[TEXT_BYTES];
    (void)client_archive_problem(images, archive, text, sizeof(text));
    rt_log("  refused: %s", text);
}

static void print_images(uint32_t archive, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct images_image_out out;
        const struct images_image_in in = { .archive = archive, .index = i };
        if (images_call_image(images, client_soon(), &in, &out) != OK) {
            rt_log("  image %u is not there", i);
            continue;
        }
        rt_log("  image %u of %u layers", out.image, out.layers);
        print_description(out.image);
        for (uint32_t j = 0; j < out.layers; j++)
            print_layer(out.image, j);
    }
}

static void print_archive(uint32_t archive, enum status status)
{
    struct images_state_out state = { 0 };
    const struct images_state_in in = { .archive = archive };
    if (status == ERR_FORMAT) {
        print_problem(archive);
        return;
    }
    if (status == OK)
        status = images_call_state(images, client_soon(), &in, &state);
    if (status != OK) {
        rt_log("  it does not come to an end: %s", status_text(status));
        return;
    }
    print_images(archive, state.images);
    if (state.done != state.total)
        rt_log("  %llu of %llu done", (unsigned long long)state.done,
               (unsigned long long)state.total);
}

static void try_module(uint32_t index, uint32_t *archive)
{
    struct modules_name_out name = { 0 };
    struct modules_contents_out contents = { 0 };
    const struct modules_name_in in = { .index = index };
    const struct modules_contents_in which = { .index = index };
    enum status status = modules_call_name(modules, client_soon(), &in, &name);
    if (status == OK)
        status = modules_call_contents(modules, client_soon(), &which, &contents);
    if (status != OK) {
        rt_log("module %u: %s", index, status_text(status));
        return;
    }
    status = client_add_archive(images, contents.memory, contents.size,
                                clock_deadline((uint64_t)PATIENCE_S * 1000000000), archive);
    (void)handle_close(contents.memory);
    rt_log("archive %u is %.*s", *archive, (int)name.name_size, (const char *)name.name);
    print_archive(*archive, status);
}

enum { MODULE_MAX = 16 };

/* What the service has in use; it is the manifest's first. */
static uint64_t capabilities_of_images(void)
{
    struct control_account_out out = { 0 };
    const struct control_account_in in = { .index = 0 };
    enum status status = control_call_account(rt_handle("control"), client_soon(), &in, &out);
    if (status != OK)
        rt_log("no account: %s", status_text(status));
    return out.capabilities;
}

int main(void)
{
    static uint32_t archive[MODULE_MAX];
    struct modules_count_out count = { 0 };
    images = rt_handle("images");
    modules = rt_handle("modules");
    enum status status = modules_call_count(modules, client_soon(), &count);
    if (status != OK)
        rt_log("no modules: %s", status_text(status));
    struct images_next_out next;
    const struct images_next_in in = { 0 };
    /* It answers, so it has made whatever it serves with. */
    if (images_call_next(images, client_soon(), &in, &next) != ERR_NOT_FOUND)
        rt_log("an image is there");
    uint64_t before = capabilities_of_images();
    for (uint32_t i = 0; i < count.modules && i < MODULE_MAX; i++)
        try_module(i, &archive[i]);
    for (uint32_t i = 0; i < count.modules && i < MODULE_MAX; i++) {
        const struct images_remove_in gone = { .archive = archive[i] };
        status = images_call_remove(images, client_soon(), &gone);
        if (status != OK)
            rt_log("archive %u cannot be removed: %s", archive[i], status_text(status));
    }
    if (images_call_next(images, client_soon(), &in, &next) != ERR_NOT_FOUND)
        rt_log("an image is left");
    uint64_t after = capabilities_of_images();
    rt_log("capabilities: %llu before, %llu after", (unsigned long long)before,
           (unsigned long long)after);
    rt_log("done");
    return 0;
}
