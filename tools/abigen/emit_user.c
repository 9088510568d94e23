/* The programs' side: one typed stub for each call. And the table that describes every call to
 * tracers and fuzzers (base/syscall_table.h), which both sides may link.
 */
#include "abigen.h"
#include <string.h>

static void put_user_type(FILE *to, const struct abi_word *word, const char *name)
{
    const char *type = abi_kinds[word->kind].user_type;
    if (type == NULL)
        put(to, "enum %s %s", word->set->item.name, name);
    else
        put(to, "%s%s%s", type, type[strlen(type) - 1] == '*' ? "" : " ", name);
}

static void put_stub_head(FILE *to, const struct abi_call *call)
{
    put(to, "%s%s %s(", call->noreturn ? "NORETURN " : "",
        abi_call_cannot_fail(call) ? "void" : "enum status", call->item.name);
    for (unsigned i = 0; i < call->in_count; i++) {
        put(to, "%s", i > 0 ? ", " : "");
        put_user_type(to, &call->in[i], call->in[i].name);
    }
    if (call->out_count > 0) {
        put(to, "%s", call->in_count > 0 ? ", " : "");
        put_user_type(to, &call->out[0], "*");
        put(to, "%s_out", call->out[0].name);
    }
    put(to, "%s)", call->in_count + call->out_count == 0 ? "void" : "");
}

void emit_stubs_h(FILE *to, const struct abi *abi)
{
    put(to, "/* The system calls as functions. *_out is written only with OK. */\n#pragma once\n\n"
            "#include <abi_syscalls.h>\n#include <base/object_type.h>\n#include <base/status.h>\n");
    for (unsigned i = 0; i < abi->call_count; i++) {
        const struct abi_call *call = &abi->call[i];
        if (call->registers)
            continue;
        put(to, "\n/* %s\n", call->item.text);
        for (unsigned j = 0; j < call->in_count; j++) {
            if (call->in[j].text != NULL)
                put(to, " * %s: %s\n", call->in[j].name, call->in[j].text);
        }
        put(to, " */\n");
        put_stub_head(to, call);
        put(to, ";\n");
    }
}

static void put_stub(FILE *to, const struct abi_call *call)
{
    bool fails = !abi_call_cannot_fail(call);
    bool out = call->out_count > 0;
    put(to, "\n");
    put_stub_head(to, call);
    put(to, "\n{\n    const uint64_t word_[6] = {");
    for (unsigned i = 0; i < call->in_count; i++) {
        const char *type = abi_kinds[call->in[i].kind].user_type;
        bool pointer = type != NULL && type[strlen(type) - 1] == '*';
        put(to, "%s(uint64_t)%s%s", i > 0 ? ", " : " ", pointer ? "(uintptr_t)" : "",
            call->in[i].name);
    }
    put(to, "%s };\n", call->in_count == 0 ? " 0" : "");
    if (out)
        put(to, "    uint64_t value_ = 0;\n");
    put(to, "    %ssyscall_raw(SYSCALL_%s, word_, %s);\n",
        fails || out ? "enum status status_ = " : "(void)", call->item.name,
        out ? "&value_" : "NULL");
    if (out) {
        put(to, "    if (status_ == OK)\n        *%s_out = (", call->out[0].name);
        put_user_type(to, &call->out[0], "");
        put(to, ")value_;\n");
    }
    put(to, "%s%s}\n", call->noreturn ? "    __builtin_trap();\n" : "",
        fails ? "    return status_;\n" : "");
}

void emit_stubs_c(FILE *to, const struct abi *abi)
{
    put(to, "/* The system calls as functions, over syscall_raw. */\n#include <rt/syscall.h>\n");
    for (unsigned i = 0; i < abi->call_count; i++) {
        if (!abi->call[i].registers)
            put_stub(to, &abi->call[i]);
    }
}

/* ---- syscall_table.c ---- */

void put_word_table(FILE *to, const char *prefix, const struct abi_call *call, bool out)
{
    const struct abi_word *list = out ? call->out : call->in;
    unsigned count = out ? call->out_count : call->in_count;
    if (count == 0)
        return;
    put(to, "static const struct syscall_word %s%s_%s[] = {\n", prefix, call->item.name,
        out ? "out" : "in");
    for (unsigned i = 0; i < count; i++) {
        const struct abi_word *word = &list[i];
        put(to, "    { \"%s\", ", word->name);
        put_constant(to, "SYSCALL_KIND", abi_kinds[word->kind].name);
        put(to, ", %s, OBJECT_%s, ", word->page ? "true" : "false",
            word->object != NULL ? word->object->name : "ANY");
        put_rights(to, word);
        uint64_t mask = 0;
        for (unsigned j = 0; word->set != NULL && j < word->set->member_count; j++)
            mask |= (uint64_t)1 << word->set->member[j].number;
        put(to, ", UINT64_C(%#llx) },\n", (unsigned long long)mask);
    }
    put(to, "};\n");
}

void put_word_list(FILE *to, const char *prefix, const struct abi_call *call, bool out)
{
    if ((out ? call->out_count : call->in_count) == 0)
        put(to, ", NULL, 0");
    else
        put(to, ", %s%s_%s, %u", prefix, call->item.name, out ? "out" : "in",
            out ? call->out_count : call->in_count);
}

void emit_table_c(FILE *to, const struct abi *abi)
{
    put(to, "/* Every system call, described. */\n#include <base/syscall_table.h>\n\n");
    for (unsigned i = 0; i < abi->call_count; i++) {
        put_word_table(to, "", &abi->call[i], false);
        put_word_table(to, "", &abi->call[i], true);
    }
    put(to, "\nconst struct syscall_description syscall_table[] = {\n");
    for (uint64_t number = 0; number < abi_call_end(abi); number++) {
        const struct abi_call *call = abi_call_numbered(abi, number);
        if (call == NULL)
            continue;
        put(to, "    { \"%s\", %llu", call->item.name, (unsigned long long)number);
        put_word_list(to, "", call, false);
        put_word_list(to, "", call, true);
        put(to, ", %s, %s },\n", call->noreturn ? "true" : "false",
            call->registers ? "true" : "false");
    }
    put(to, "};\nconst unsigned syscall_table_count = %u;\n", abi->call_count);
}
