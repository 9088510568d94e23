/* The kernel's side: numbers, arguments and results as structures, handlers' prototypes, and the
 * dispatcher's unpacking with every check that the table can state.
 *
 * Each argument register is read once, into `word_`, and only that copy is checked and passed on.
 * First come the shapes of all words, then the look-ups, then the handler.
 */
#include "abigen.h"
#include <ctype.h>
#include <stdarg.h>
#include <string.h>

typedef unsigned long long ull;

void put(FILE *to, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vfprintf(to, format, args);
    va_end(args);
}

void put_constant(FILE *to, const char *prefix, const char *name)
{
    for (const char *c = prefix; *c != '\0'; c++)
        put(to, "%c", toupper((unsigned char)*c));
    put(to, "_");
    for (const char *c = name; *c != '\0'; c++)
        put(to, "%c", toupper((unsigned char)*c));
}

void put_rights(FILE *to, const struct abi_word *word)
{
    for (unsigned i = 0; i < word->need_count; i++) {
        const struct abi_right *right = word->need[i];
        put(to, "%sRIGHT_%s_%s", i > 0 ? " | " : "",
            right->object != NULL ? right->object->name : "ANY", right->item.name);
    }
    if (word->need_count == 0)
        put(to, "0");
}

static bool has_handles(const struct abi *abi)
{
    for (unsigned i = 0; i < abi->call_count; i++) {
        for (unsigned j = 0; j < abi->call[i].in_count && !abi->call[i].registers; j++) {
            if (abi->call[i].in[j].kind == ABI_HANDLE)
                return true;
        }
    }
    return false;
}

/* ---- abi_syscalls.h: for both sides ---- */

static uint64_t set_mask(const struct abi_set *set)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < set->member_count; i++)
        mask |= (uint64_t)1 << set->member[i].number;
    return mask;
}

void put_set(FILE *to, const struct abi_set *set)
{
    const char *name = set->item.name;
    put(to, "\n/* %s */\n%s%s {\n", set->item.text, "enum ", set->is_flags ? "" : name);
    for (unsigned i = 0; i < set->member_count; i++) {
        const struct abi_item *member = &set->member[i];
        put(to, "    ");
        put_constant(to, name, member->name);
        put(to, set->is_flags ? " = 1u << %llu, /* %s */\n" : " = %llu, /* %s */\n",
            (ull)member->number, member->text);
    }
    put(to, "};\n\nstatic inline bool %s_valid(uint64_t word_)\n{\n", name);
    if (set->is_flags)
        put(to, "    return (word_ & ~UINT64_C(%#llx)) == 0;\n}\n", (ull)set_mask(set));
    else
        put(to, "    return word_ < 64 && ((UINT64_C(%#llx) >> word_) & 1) != 0;\n}\n",
            (ull)set_mask(set));
}

void emit_numbers_h(FILE *to, const struct abi *abi)
{
    put(to, "/* Numbers of the system calls, and the words that they take. */\n#pragma once\n\n"
            "#include <stdbool.h>\n#include <stdint.h>\n\nenum syscall_number {\n");
    for (unsigned i = 0; i < abi->call_count; i++)
        put(to, "    SYSCALL_%s = %llu,\n", abi->call[i].item.name, (ull)abi->call[i].item.number);
    put(to, "    SYSCALL_COUNT = %llu, /* every number is below */\n};\n", (ull)abi_call_end(abi));
    for (unsigned i = 0; i < abi->call_set_count; i++)
        put_set(to, &abi->set[i]);
}

/* ---- syscall_handlers.h ---- */

static void put_members(FILE *to, const struct abi_call *call, bool out)
{
    const struct abi_word *list = out ? call->out : call->in;
    unsigned count = out ? call->out_count : call->in_count;
    if (count == 0)
        return;
    put(to, "struct sys_%s_%s {\n", call->item.name, out ? "ret" : "args");
    for (unsigned i = 0; i < count; i++) {
        const struct abi_word *word = &list[i];
        const char *type = abi_kinds[word->kind].kernel_type;
        put(to, "    ");
        if (type == NULL)
            put(to, "enum %s", word->set->item.name);
        else
            put(to, "%s", type);
        put(to, "%s%s;", type != NULL && strchr(type, '*') != NULL ? "" : " ", word->name);
        put(to, word->text != NULL ? " /* %s */\n" : "\n", word->text);
    }
    put(to, "};\n");
}

static void put_prototype(FILE *to, const struct abi_call *call)
{
    const char *name = call->item.name;
    if (call->registers) {
        put(to, "void sys_%s(struct thread *current);\n", name);
        return;
    }
    put(to, "%s sys_%s(", abi_call_cannot_fail(call) ? "void" : "enum status", name);
    if (call->in_count > 0)
        put(to, "const struct sys_%s_args *args", name);
    if (call->out_count > 0)
        put(to, "%sstruct sys_%s_ret *ret", call->in_count > 0 ? ", " : "", name);
    put(to, "%s);\n", call->in_count + call->out_count == 0 ? "void" : "");
}

void emit_handlers_h(FILE *to, const struct abi *abi)
{
    put(to,
        "/* What the kernel's handlers get, and what they give. */\n#pragma once\n\n"
        "#include <abi_syscalls.h>\n#include <base/object_type.h>\n#include <base/status.h>\n"
        "#include <kernel/addr.h>\n\nstruct object;\nstruct thread;\n"
        "typedef void syscall_entry(struct thread *current);\n\n"
        "/* Reads the current thread's registers, checks, calls the handler, writes the result.\n"
        " * syscall_unknown where there is no call of that number.\n */\n"
        "void syscall_unknown(struct thread *current);\n"
        "extern syscall_entry *const syscall_entries[SYSCALL_COUNT];\n");
    put(to,
        "\n/* After a call that failed: true if it is to be made once more, arguments and all. */\n"
        "bool syscall_again(struct thread *current, enum status status);\n");
    if (has_handles(abi))
        put(to,
            "\n/* The object that the current thread's handle names, if it has that type "
            "(OBJECT_ANY: no\n * matter) and the capability all these rights. It stays while the "
            "thread is in the kernel.\n */\n"
            "enum status syscall_lookup(uint64_t handle, enum object_type type, uint32_t rights,\n"
            "                           struct object **object_out);\n");
    for (unsigned i = 0; i < abi->call_count; i++) {
        const struct abi_call *call = &abi->call[i];
        put(to, "\n/* %s */\n", call->item.text);
        if (!call->registers) {
            put_members(to, call, false);
            put_members(to, call, true);
        }
        put_prototype(to, call);
    }
}

/* ---- syscall_dispatch.c ---- */

/* The condition that refuses word_[index] stands between these. */
static const char *const shape[ABI_KIND_COUNT][2] = {
    [ABI_U32] = { "", " > UINT32_MAX" },
    [ABI_BOOL] = { "", " > 1" },
    [ABI_RIGHTS] = { "(", " & ~(uint64_t)RIGHTS_ALL) != 0" },
    [ABI_OBJECT] = { "!object_type_valid(", ")" },
    [ABI_SIZE] = { "(", " & PAGE_MASK) != 0" },
    [ABI_VADDR] = { "(", " & PAGE_MASK) != 0" },
    [ABI_ENUM] = { "_valid(", ")" },
    [ABI_FLAGS] = { "_valid(", ")" },
};

static void put_shape(FILE *to, const struct abi_word *word, unsigned index)
{
    if (!abi_word_is_checked(word) || word->kind == ABI_HANDLE)
        return;
    put(to, "    if (%s%s%sword_[%u]%s)\n        return ERR_RANGE;\n", word->set != NULL ? "!" : "",
        word->set != NULL ? word->set->item.name : "", shape[word->kind][0], index,
        shape[word->kind][1]);
}

static void put_arguments(FILE *to, const struct abi_call *call)
{
    put(to, "    struct sys_%s_args args_ = {\n", call->item.name);
    for (unsigned i = 0; i < call->in_count; i++) {
        const struct abi_word *word = &call->in[i];
        const struct abi_kind_info *kind = &abi_kinds[word->kind];
        if (word->kind == ABI_HANDLE)
            put(to, "        .%s = NULL,\n", word->name);
        else if (kind->is_address)
            put(to, "        .%s = { word_[%u] },\n", word->name, i);
        else if (word->kind == ABI_ENUM)
            put(to, "        .%s = (enum %s)word_[%u],\n", word->name, word->set->item.name, i);
        else
            put(to, "        .%s = (%s)word_[%u],\n", word->name, kind->kernel_type, i);
    }
    put(to, "    };\n");
}

static void put_lookups(FILE *to, const struct abi_call *call)
{
    for (unsigned i = 0; i < call->in_count; i++) {
        const struct abi_word *word = &call->in[i];
        if (word->kind != ABI_HANDLE)
            continue;
        put(to, "    status_ = syscall_lookup(word_[%u], OBJECT_%s, ", i,
            word->object != NULL ? word->object->name : "ANY");
        put_rights(to, word);
        put(to, ", &args_.%s);\n    if (status_ != OK)\n        return status_;\n", word->name);
    }
}

static void put_unpack(FILE *to, const struct abi_call *call)
{
    const char *name = call->item.name;
    put(to,
        "\nstatic inline enum status unpack_%s(%sconst struct trap_frame *frame_, "
        "%suint64_t *value_)\n{\n",
        name, call->in_count == 0 ? "UNUSED " : "", call->out_count == 0 ? "UNUSED " : "");
    if (call->in_count > 0) {
        put(to, "    const uint64_t word_[] = {\n");
        for (unsigned i = 0; i < call->in_count; i++)
            put(to, "        arch_frame_syscall_argument(frame_, %u), /* %s */\n", i,
                call->in[i].name);
        put(to, "    };\n");
    }
    for (unsigned i = 0; i < call->in_count; i++)
        put_shape(to, &call->in[i], i);
    if (call->in_count > 0)
        put_arguments(to, call);
    if (call->out_count > 0)
        put(to, "    struct sys_%s_ret ret_ = { 0 };\n", name);
    put(to, "    enum status status_ = OK;\n");
    put_lookups(to, call);
    put(to, "    %ssys_%s(%s%s%s);\n", abi_call_cannot_fail(call) ? "" : "status_ = ", name,
        call->in_count > 0 ? "&args_" : "", call->in_count > 0 && call->out_count > 0 ? ", " : "",
        call->out_count > 0 ? "&ret_" : "");
    if (call->out_count > 0)
        put(to, "    *value_ = (uint64_t)ret_.%s%s;\n", call->out[0].name,
            abi_kinds[call->out[0].kind].is_address ? ".raw" : "");
    put(to,
        "    return status_;\n}\n\nstatic void enter_%s(struct thread *current)\n{\n"
        "    uint64_t value_ = 0;\n"
        "    enum status status_ = unpack_%s(&current->frame, &value_);\n"
        "%s"
        "    arch_frame_syscall_return(&current->frame, (uint64_t)status_, value_);\n}\n",
        name, name,
        abi_call_cannot_fail(call)
            ? ""
            : "    if (LIKELY(status_ == OK))\n        current->grace_ticket = 0;\n"
              "    else if (syscall_again(current, status_))\n        return;\n");
}

void emit_dispatch_c(FILE *to, const struct abi *abi)
{
    put(to, "/* From registers to handlers and back. A result goes out only with OK. */\n"
            "#include <arch/trap.h>\n#include <kernel/thread.h>\n#include <syscall_handlers.h>\n");
    for (unsigned i = 0; i < abi->call_count; i++) {
        if (!abi->call[i].registers)
            put_unpack(to, &abi->call[i]);
    }
    put(to, "\nsyscall_entry *const syscall_entries[SYSCALL_COUNT] = {\n");
    for (unsigned number = 0; number < abi_call_end(abi); number++) {
        const struct abi_call *call = abi_call_numbered(abi, number);
        put(to, "    [%u] = %s%s,\n", number,
            call == NULL      ? "syscall_unknown"
            : call->registers ? "sys_"
                              : "enter_",
            call == NULL ? "" : call->item.name);
    }
    put(to, "};\n");
}
