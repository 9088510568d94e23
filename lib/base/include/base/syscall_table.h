/* A description of every system call, for what handles them all alike: tracers print the names,
 * fuzzers make arguments of the right kind and with the wrong rights. Made from abi/syscalls.abi;
 * docs/reference/syscalls says what the kinds mean.
 */
#pragma once

#include <base/object_type.h>

enum syscall_kind {
    SYSCALL_KIND_WORD,
    SYSCALL_KIND_U32,
    SYSCALL_KIND_BOOL,
    SYSCALL_KIND_SIZE,
    SYSCALL_KIND_TIME,
    SYSCALL_KIND_VADDR,
    SYSCALL_KIND_INPUT,
    SYSCALL_KIND_OUTPUT,
    SYSCALL_KIND_SLOT,
    SYSCALL_KIND_RIGHTS,
    SYSCALL_KIND_OBJECT,
    SYSCALL_KIND_ENUM,
    SYSCALL_KIND_FLAGS,
    SYSCALL_KIND_HANDLE,
    SYSCALL_KIND_BYTES, /* of a protocol only */
};

struct syscall_word {
    const char *name;
    enum syscall_kind kind;
    bool page;               /* must be a multiple of the page size */
    enum object_type object; /* HANDLE; OBJECT_ANY: no matter */
    uint32_t rights;         /* HANDLE: all of these are needed */
    uint64_t mask; /* ENUM: bit n is set if n is a value; FLAGS: the bits that may be set */
};

struct syscall_description {
    const char *name;
    unsigned number;
    const struct syscall_word *in;
    unsigned in_count;
    const struct syscall_word *out;
    unsigned out_count;
    bool noreturn;
    bool registers; /* its handler works on the register frame: more words than usual */
};

/* In the order of their numbers, which may have gaps. */
extern const struct syscall_description syscall_table[];
extern const unsigned syscall_table_count;
