/* Any bytes as tables: the parser ends, with a contract that every emitter can write or with one
 * message that names a file and a line. The input holds up to four tables and a protocol, each
 * ended by a zero byte; where it has fewer, small good ones take their place.
 */
#include "abigen.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const good[TABLE_COUNT] = {
    [TABLE_ERRORS] = "/* Group. */ ERROR(ACCESS, 20, \"a\") ERROR(RANGE, 2, \"r\")",
    [TABLE_OBJECTS] = "OBJECT(MEMORY, 1, \"pages\") OBJECT(PORT, 2, \"port\")",
    [TABLE_RIGHTS] = "RIGHT(MEMORY, READ, 0, \"read\") RIGHT(ANY, GRANT, 8, \"grant\")",
    [TABLE_SYSCALLS] =
        "syscall 0 leave \"x\"\nself\nsyscall 1 a \"x\"\nin a handle memory need read\n",
};

static const char good_protocol[] = "protocol p \"x\"\nmethod 1 a \"x\"\nin a bytes\n";

static void (*const emitters[])(FILE *to, const struct abi *abi) = {
    emit_numbers_h,   emit_handlers_h,  emit_dispatch_c,   emit_stubs_h,
    emit_stubs_c,     emit_table_c,     emit_errors_md,    emit_objects_md,
    emit_syscalls_md, emit_protocols_c, emit_protocols_md,
};

static void check_message(const struct abi *abi)
{
    unsigned line;
    if (sscanf(abi->message, "table-%*1[0-4]:%u: ", &line) != 1 || line == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const path[TABLE_COUNT] = { "table-0", "table-1", "table-2", "table-3" };
    static struct abi abi;
    static FILE *nowhere;
    struct abi_source source[TABLE_COUNT];
    const char *rest = (const char *)data;
    /* The calls come first, since most is there. */
    for (unsigned i = TABLE_COUNT; i-- > 0;) {
        const char *end = size > 0 ? memchr(rest, '\0', size) : NULL;
        size_t length = end != NULL ? (size_t)(end - rest) : size;
        source[i] = (struct abi_source){ path[i], rest, length };
        if (size == 0)
            source[i] = (struct abi_source){ path[i], good[i], strlen(good[i]) };
        rest += length + (end != NULL);
        size -= length + (end != NULL);
    }
    if (nowhere == NULL)
        nowhere = fopen("/dev/null", "w");
    const struct abi_source protocol = { "table-4", size > 0 ? rest : good_protocol,
                                         size > 0 ? size : strlen(good_protocol) };
    if (!abi_parse(&abi, source) || !abi_parse_protocol(&abi, &protocol)) {
        check_message(&abi);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(emitters) && nowhere != NULL; i++)
        emitters[i](nowhere, &abi);
    if (nowhere != NULL)
        emit_protocol_h(nowhere, &abi.protocol[0], &abi);
    return 0;
}
