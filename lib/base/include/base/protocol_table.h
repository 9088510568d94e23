/* A description of every protocol between programs, for what handles them all alike: tracers print
 * the names, fuzzers make messages that are nearly right. Made from abi/protocols.
 */
#pragma once

#include <base/syscall_table.h>

struct protocol_method {
    const char *name;
    unsigned label;
    const struct syscall_word *in;
    unsigned in_count;
    const struct syscall_word *out;
    unsigned out_count;
};

struct protocol_description {
    const char *name;
    const struct protocol_method *method;
    unsigned method_count;
};

/* In the order of their names. */
extern const struct protocol_description protocol_table[];
extern const unsigned protocol_table_count;
