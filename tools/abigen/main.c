/* abigen: reads the contract in abi/ and writes what is derived from it.
 *
 *     abigen code ABI OUT     C for the kernel and for programs
 *     abigen docs ABI OUT     the reference pages
 *     abigen check ABI        nothing: only says what is wrong
 *
 * ABI is a folder with errors.def, objects.def, rights.def and syscalls.abi, and a folder protocols
 * with NAME.abi for each protocol, if there are any. The first error ends it, as "FILE:LINE: what".
 */
#include "abigen.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_BYTES_MAX = 1024 * 1024 };

struct output {
    const char *name;
    void (*emit)(FILE *to, const struct abi *abi);
};

static const struct output code[] = {
    { "abi_syscalls.h", emit_numbers_h },      { "syscall_handlers.h", emit_handlers_h },
    { "syscall_dispatch.c", emit_dispatch_c }, { "syscall_stubs.h", emit_stubs_h },
    { "syscall_stubs.c", emit_stubs_c },       { "syscall_table.c", emit_table_c },
    { "protocols.c", emit_protocols_c },
};

static const struct output docs[] = {
    { "syscalls.md", emit_syscalls_md },
    { "errors.md", emit_errors_md },
    { "objects.md", emit_objects_md },
    { "protocols.md", emit_protocols_md },
};

static void die(const char *path, const char *what)
{
    (void)fprintf(stderr, "abigen: %s: %s\n", path, what);
    exit(2);
}

static char *path_of(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path == NULL)
        die(folder, "no memory");
    (void)snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static struct abi_source read_table(const char *folder, const char *name)
{
    char *path = path_of(folder, name);
    char *text = malloc(TABLE_BYTES_MAX);
    FILE *from = fopen(path, "rb");
    if (from == NULL || text == NULL)
        die(path, "cannot be read");
    size_t size = fread(text, 1, TABLE_BYTES_MAX, from);
    if (ferror(from) || size == TABLE_BYTES_MAX)
        die(path, "cannot be read, or is too large");
    (void)fclose(from);
    return (struct abi_source){ path, text, size };
}

/* Every NAME.abi in ABI/protocols, in the order of their names. */
static bool read_protocols(struct abi *abi, const char *folder)
{
    char *path = path_of(folder, "protocols");
    struct dirent **entry;
    int count = scandir(path, &entry, NULL, alphasort);
    bool good = true;
    for (int i = 0; i < count; i++) {
        size_t length = strlen(entry[i]->d_name);
        if (good && length > 4 && strcmp(entry[i]->d_name + length - 4, ".abi") == 0) {
            struct abi_source source = read_table(path, entry[i]->d_name);
            good = abi_parse_protocol(abi, &source);
        }
        free(entry[i]);
    }
    if (count >= 0)
        free(entry);
    return good;
}

static void write_protocol_headers(const char *folder, const struct abi *abi)
{
    for (unsigned i = 0; i < abi->protocol_count; i++) {
        char name[ABI_NAME_MAX + 16];
        (void)snprintf(name, sizeof(name), "protocol_%s.h", abi->protocol[i].item.name);
        char *path = path_of(folder, name);
        FILE *to = fopen(path, "wb");
        if (to == NULL)
            die(path, "cannot be written");
        emit_protocol_h(to, &abi->protocol[i], abi);
        bool broken = ferror(to) != 0;
        if (fclose(to) != 0 || broken)
            die(path, "cannot be written");
        free(path);
    }
}

static void write_all(const struct output *outputs, size_t count, const char *folder,
                      const struct abi *abi)
{
    for (size_t i = 0; i < count; i++) {
        char *path = path_of(folder, outputs[i].name);
        FILE *to = fopen(path, "wb");
        if (to == NULL)
            die(path, "cannot be written");
        outputs[i].emit(to, abi);
        bool broken = ferror(to) != 0;
        if (fclose(to) != 0 || broken)
            die(path, "cannot be written");
        free(path);
    }
}

int main(int argc, char **argv)
{
    static struct abi abi;
    bool check = argc == 3 && strcmp(argv[1], "check") == 0;
    bool write_code = argc == 4 && strcmp(argv[1], "code") == 0;
    if (!check && !write_code && !(argc == 4 && strcmp(argv[1], "docs") == 0)) {
        (void)fputs("usage: abigen code|docs ABI OUT, or abigen check ABI\n", stderr);
        return 2;
    }
    const struct abi_source source[TABLE_COUNT] = {
        [TABLE_ERRORS] = read_table(argv[2], "errors.def"),
        [TABLE_OBJECTS] = read_table(argv[2], "objects.def"),
        [TABLE_RIGHTS] = read_table(argv[2], "rights.def"),
        [TABLE_SYSCALLS] = read_table(argv[2], "syscalls.abi"),
    };
    if (!abi_parse(&abi, source) || !read_protocols(&abi, argv[2])) {
        (void)fprintf(stderr, "%s\n", abi.message);
        return 1;
    }
    if (write_code) {
        write_all(code, ARRAY_LEN(code), argv[3], &abi);
        write_protocol_headers(argv[3], &abi);
    } else if (!check)
        write_all(docs, ARRAY_LEN(docs), argv[3], &abi);
    return 0;
}
