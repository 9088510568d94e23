/* The contract between kernel and programs, as read from the tables in abi/, and those between
 * programs, from the tables in abi/protocols.
 *
 * parse.c turns the four tables and the protocols into a struct abi or one error message; emit_*.c
 * write what is derived from it. Nothing here allocates: every list has a bound, and a table that
 * is too long for it is an error like any other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

enum {
    ABI_SYSCALL_END = 40, /* numbers are below: the kernel stays small */
    ABI_REGISTERS_IN = 6,
    ABI_REGISTERS_OUT = 1,
    ABI_WORDS_MAX = 12, /* of a call that works on the frame itself */
    ABI_ERROR_MAX = 64,
    ABI_OBJECT_MAX = 24,
    ABI_RIGHT_MAX = 96,
    ABI_SET_MAX = 24,
    ABI_MEMBER_MAX = 32,
    ABI_NOTES_MAX = 8,
    ABI_NAME_MAX = 40,
    ABI_POOL_BYTES = 128 * 1024,
    ABI_RIGHT_BITS = 31,  /* each is an enumerator of type int */
    ABI_RIGHT_COMMON = 8, /* bits from here belong to type ANY */
    ABI_PROTOCOL_MAX = 24,
    ABI_METHOD_MAX = 24,
    ABI_MESSAGE_WORDS = 8, /* IPC_WORDS of abi/ipc.h */
    ABI_MESSAGE_HANDLES = 4,
};

/* A name with a number and a text: an error, an object type, a value of an enum, a bit of a set. */
struct abi_item {
    const char *name;
    const char *text;
    uint64_t number;
    const char *group; /* the comment line above it, or NULL */
};

struct abi_right {
    struct abi_item item;
    const struct abi_item *object; /* NULL: every object */
};

/* `enum NAME` or `flags NAME` of syscalls.abi. */
struct abi_set {
    struct abi_item item;
    bool is_flags;
    struct abi_item member[ABI_MEMBER_MAX];
    unsigned member_count;
};

enum abi_kind {
    ABI_WORD,
    ABI_U32,
    ABI_BOOL,
    ABI_SIZE,
    ABI_TIME,
    ABI_VADDR,
    ABI_INPUT,
    ABI_OUTPUT,
    ABI_SLOT,
    ABI_RIGHTS,
    ABI_OBJECT,
    ABI_ENUM,
    ABI_FLAGS,
    ABI_HANDLE,
    ABI_BYTES, /* of a message: as many as the words left can hold */
    ABI_KIND_COUNT
};

/* What every kind is called in the tables, in C, and what the dispatcher checks. */
struct abi_kind_info {
    const char *name;
    const char *kernel_type; /* NULL: depends on the set */
    const char *user_type;
    bool is_address;   /* the kernel's type is uaddr_t */
    bool may_be_paged; /* takes the word `page` */
    bool may_be_out;
    const char *text; /* for the reference */
};
extern const struct abi_kind_info abi_kinds[ABI_KIND_COUNT];

struct abi_word {
    const char *name;
    const char *text;
    enum abi_kind kind;
    bool page;                     /* must be a multiple of the page size */
    const struct abi_set *set;     /* ENUM, FLAGS */
    const struct abi_item *object; /* HANDLE; NULL: any */
    const struct abi_right *need[ABI_RIGHT_BITS];
    unsigned need_count;
};

struct abi_call_error {
    const struct abi_item *error;
    const char *when;
};

struct abi_call {
    struct abi_item item;
    unsigned line;
    bool self, noreturn, registers;
    struct abi_word in[ABI_WORDS_MAX];
    struct abi_word out[ABI_WORDS_MAX];
    unsigned in_count, out_count;
    struct abi_call_error error[ABI_ERROR_MAX];
    unsigned error_count;
    const char *note[ABI_NOTES_MAX];
    unsigned note_count;
};

/* What a server answers to: a table of abi/protocols. A method is a call whose number is a label.
 */
struct abi_protocol {
    struct abi_item item;
    unsigned set_first, set_end; /* its own, in struct abi */
    struct abi_call method[ABI_METHOD_MAX];
    unsigned method_count;
};

struct abi {
    struct abi_item error[ABI_ERROR_MAX];
    unsigned error_count;
    struct abi_item object[ABI_OBJECT_MAX];
    unsigned object_count;
    struct abi_right right[ABI_RIGHT_MAX];
    unsigned right_count;
    struct abi_set set[ABI_SET_MAX];
    unsigned set_count;
    struct abi_call call[ABI_SYSCALL_END];
    unsigned call_count;
    unsigned call_set_count; /* the sets of syscalls.abi; those of protocols follow */
    struct abi_protocol protocol[ABI_PROTOCOL_MAX];
    unsigned protocol_count;
    char pool[ABI_POOL_BYTES]; /* every name and text, each ended by a zero byte */
    size_t pool_used;
    char message[512]; /* "FILE:LINE: what", if it is no contract */
};

enum abi_table { TABLE_ERRORS, TABLE_OBJECTS, TABLE_RIGHTS, TABLE_SYSCALLS, TABLE_COUNT };

struct abi_source {
    const char *path; /* for messages */
    const char *text;
    size_t size_bytes;
};

/* Read all four tables; false leaves the reason in abi->message. */
bool abi_parse(struct abi *abi, const struct abi_source source[TABLE_COUNT]);

/* And one protocol more. */
bool abi_parse_protocol(struct abi *abi, const struct abi_source *source);

bool abi_kind_in_messages(enum abi_kind kind);
/* How many bytes a word of the type ABI_BYTES has room for. */
unsigned abi_bytes_room(const struct abi_call *method, bool out);

/* The call with this number, or NULL. */
const struct abi_call *abi_call_numbered(const struct abi *abi, uint64_t number);
/* One more than the highest number. */
uint64_t abi_call_end(const struct abi *abi);
/* The dispatcher itself may refuse this word, with ERR_RANGE or, for a handle, ERR_ACCESS. */
bool abi_word_is_checked(const struct abi_word *word);
/* Neither dispatcher nor handler ever refuses. */
bool abi_call_cannot_fail(const struct abi_call *call);

/* ---- Output: one function for each file ---- */

void emit_numbers_h(FILE *to, const struct abi *abi);
void emit_handlers_h(FILE *to, const struct abi *abi);
void emit_dispatch_c(FILE *to, const struct abi *abi);
void emit_stubs_h(FILE *to, const struct abi *abi);
void emit_stubs_c(FILE *to, const struct abi *abi);
void emit_table_c(FILE *to, const struct abi *abi);
void emit_syscalls_md(FILE *to, const struct abi *abi);
void emit_errors_md(FILE *to, const struct abi *abi);
void emit_objects_md(FILE *to, const struct abi *abi);
void emit_protocol_h(FILE *to, const struct abi_protocol *protocol, const struct abi *abi);
void emit_protocols_c(FILE *to, const struct abi *abi);
void emit_protocols_md(FILE *to, const struct abi *abi);

/* ---- Shared by the emitters ---- */

/* printf to a file whose errors main.c looks for when it closes it. */
__attribute__((format(printf, 2, 3))) void put(FILE *to, const char *format, ...);
/* "PREFIX_NAME" in capitals. */
void put_constant(FILE *to, const char *prefix, const char *name);
/* The rights that a handle needs, as a C expression. */
void put_rights(FILE *to, const struct abi_word *word);
/* An enum or flags: its values, and whether a word is one. */
void put_set(FILE *to, const struct abi_set *set);
/* The words of a call as an array NAME_in or NAME_out, and a reference to it: ", ARRAY, COUNT". */
void put_word_table(FILE *to, const char *prefix, const struct abi_call *call, bool out);
void put_word_list(FILE *to, const char *prefix, const struct abi_call *call, bool out);
/* For the reference pages. */
void put_word_doc(FILE *to, const struct abi_word *word, const char *direction);
void put_set_doc(FILE *to, const struct abi_set *set);
