/* limine.conf from a fuzzer. */
#include <boot/config.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void use_path(const char *uri)
{
    const char *path, *hash;
    char *copy = strdup(uri);
    if (copy == NULL)
        abort();
    if (config_split_path(copy, &path, &hash) == OK && path[0] != '/')
        abort();
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct config config;
    struct config_problem problem = { 0, NULL };
    if (size_bytes > CONFIG_FILE_MAX)
        return 0;
    char *work = malloc(CONFIG_WORK_BYTES(size_bytes));
    if (work == NULL)
        abort();

    if (config_parse((const char *)data, size_bytes, "x86-64", work, &config, &problem) == OK) {
        use_path(config.kernel_path);
        if (strlen(config.cmdline) > CONFIG_WORK_BYTES(size_bytes))
            abort();
        for (size_t i = 0; i < config.module_count; i++)
            use_path(config.module[i].path);
    } else if (problem.text == NULL) {
        abort();
    }
    free(work);
    return 0;
}
