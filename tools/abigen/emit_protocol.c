/* Between programs: for each protocol a header with its messages as structures, a function for each
 * method that a client calls, and one that a server gives every message to. What arrives is checked
 * on both sides before anybody sees it: the label, how many words and handles there are, and every
 * word for what its type allows.
 */
#include "abigen.h"
#include <ctype.h>
#include <string.h>

typedef unsigned long long ull;

static unsigned handles_in(const struct abi_call *method, bool out)
{
    const struct abi_word *list = out ? method->out : method->in;
    unsigned handles = 0;
    for (unsigned i = 0; i < (out ? method->out_count : method->in_count); i++)
        handles += list[i].kind == ABI_HANDLE;
    return handles;
}

/* The bytes of the message, or NULL. */
static const struct abi_word *bytes_in(const struct abi_call *method, bool out)
{
    const struct abi_word *list = out ? method->out : method->in;
    unsigned count = out ? method->out_count : method->in_count;
    return count > 0 && list[count - 1].kind == ABI_BYTES ? &list[count - 1] : NULL;
}

static void put_upper(FILE *to, const char *name)
{
    for (const char *c = name; *c != '\0'; c++)
        put(to, "%c", toupper((unsigned char)*c));
}

static void put_label(FILE *to, const struct abi_protocol *protocol, const struct abi_call *method)
{
    put_constant(to, protocol->item.name, "label_");
    put_upper(to, method->item.name);
}

/* ---- The header ---- */

static void put_type(FILE *to, const struct abi_word *word)
{
    const char *type = abi_kinds[word->kind].user_type;
    if (type != NULL)
        put(to, "%s ", type);
    else
        put(to, "enum %s ", word->set->item.name);
}

static void put_struct(FILE *to, const struct abi_protocol *protocol, const struct abi_call *method,
                       bool out)
{
    const struct abi_word *list = out ? method->out : method->in;
    unsigned count = out ? method->out_count : method->in_count;
    if (count == 0)
        return;
    put(to, "struct %s_%s_%s {\n", protocol->item.name, method->item.name, out ? "out" : "in");
    for (unsigned i = 0; i < count; i++) {
        put(to, "    ");
        if (list[i].kind == ABI_BYTES) {
            put(to, "size_t %s_size; /* at most %u */\n    uint8_t %s[%u];", list[i].name,
                abi_bytes_room(method, out), list[i].name, abi_bytes_room(method, out));
        } else {
            put_type(to, &list[i]);
            put(to, "%s;", list[i].name);
        }
        put(to, list[i].text != NULL ? " /* %s */\n" : "\n", list[i].text);
    }
    put(to, "};\n");
}

static void put_parameters(FILE *to, const struct abi_protocol *protocol,
                           const struct abi_call *method)
{
    const char *name = protocol->item.name;
    if (method->in_count > 0)
        put(to, ", const struct %s_%s_in *in", name, method->item.name);
    if (method->out_count > 0)
        put(to, ", struct %s_%s_out *out", name, method->item.name);
    put(to, ")");
}

static void put_client_head(FILE *to, const struct abi_protocol *protocol,
                            const struct abi_call *method)
{
    put(to, "enum status %s_call_%s(uint64_t endpoint, uint64_t deadline_ns", protocol->item.name,
        method->item.name);
    put_parameters(to, protocol, method);
}

static void put_handlers(FILE *to, const struct abi_protocol *protocol)
{
    const char *name = protocol->item.name;
    put(to,
        "\n/* The server's side. *out is zeroes and goes out only with OK; handles in *in are the\n"
        " * server's with OK, else they are closed. A method that is NULL is unsupported.\n */\n"
        "struct %s_handlers {\n",
        name);
    for (unsigned i = 0; i < protocol->method_count; i++) {
        put(to, "    enum status (*%s)(void *context, uint64_t badge",
            protocol->method[i].item.name);
        put_parameters(to, protocol, &protocol->method[i]);
        put(to, ";\n");
    }
    put(to,
        "};\n\n/* Turns a message that was received into the answer. */\n"
        "void %s_serve(const struct %s_handlers *handlers, void *context,\n"
        "    struct ipc_message *message);\n",
        name, name);
}

static void put_numbers(FILE *to, const struct abi_protocol *protocol)
{
    unsigned accept = 0;
    put(to, "\nenum {\n");
    for (unsigned i = 0; i < protocol->method_count; i++) {
        const struct abi_call *method = &protocol->method[i];
        put(to, "    ");
        put_label(to, protocol, method);
        put(to, " = %llu, /* %s */\n", (ull)method->item.number, method->item.text);
        if (handles_in(method, false) > accept)
            accept = handles_in(method, false);
    }
    put(to, "    ");
    put_constant(to, protocol->item.name, "accept");
    put(to, " = %u, /* handles that a message may bring */\n};\n", accept);
}

void emit_protocol_h(FILE *to, const struct abi_protocol *protocol, const struct abi *abi)
{
    put(to,
        "/* %s */\n#pragma once\n\n#include <abi_syscalls.h>\n#include <base/object_type.h>\n"
        "#include <base/status.h>\n#include <ipc.h>\n#include <stddef.h>\n#include <stdint.h>\n",
        protocol->item.text);
    put_numbers(to, protocol);
    for (unsigned i = protocol->set_first; i < protocol->set_end; i++)
        put_set(to, &abi->set[i]);
    for (unsigned i = 0; i < protocol->method_count; i++) {
        const struct abi_call *method = &protocol->method[i];
        put(to, "\n/* %s */\n", method->item.text);
        put_struct(to, protocol, method, false);
        put_struct(to, protocol, method, true);
        put_client_head(to, protocol, method);
        put(to, ";\n");
    }
    put_handlers(to, protocol);
}

/* ---- Words in and out of a message ---- */

/* `first` is where the words begin: in an answer the status is before them. */
static void put_fill(FILE *to, const struct abi_call *method, bool out, const char *from,
                     const char *message)
{
    const struct abi_word *list = out ? method->out : method->in;
    unsigned count = out ? method->out_count : method->in_count;
    for (unsigned i = 0; i < count; i++) {
        unsigned at = i + out;
        if (list[i].kind == ABI_BYTES)
            put(to, "    words_ = protocol_put_bytes(%s, %u, %s%s, %s%s_size);\n", message, at,
                from, list[i].name, from, list[i].name);
        else
            put(to, "    %s->word[%u] = (uint64_t)%s%s;\n", message, at, from, list[i].name);
    }
}

static void put_word_check(FILE *to, const struct abi_word *word, unsigned at, const char *message)
{
    static const char *const shape[ABI_KIND_COUNT][2] = {
        [ABI_U32] = { "", " > UINT32_MAX" },
        [ABI_BOOL] = { "", " > 1" },
        [ABI_RIGHTS] = { "(", " & ~(uint64_t)RIGHTS_ALL) != 0" },
        [ABI_OBJECT] = { "!object_type_valid(", ")" },
        [ABI_SIZE] = { "(", " & 4095) != 0" },
        [ABI_ENUM] = { "_valid(", ")" },
        [ABI_FLAGS] = { "_valid(", ")" },
    };
    if (!abi_word_is_checked(word) || word->kind == ABI_HANDLE)
        return;
    put(to, "    if (%s%s%s%s->word[%u]%s)\n        return ERR_RANGE;\n",
        word->set != NULL ? "!" : "", word->set != NULL ? word->set->item.name : "",
        shape[word->kind][0], message, at, shape[word->kind][1]);
}

/* Shape first, then each word; nothing is written before all are good but the bytes, which are
 * nobody's until the end. */
static void put_take(FILE *to, const struct abi_call *method, bool out, const char *into,
                     const char *message)
{
    const struct abi_word *list = out ? method->out : method->in;
    unsigned count = out ? method->out_count : method->in_count;
    const struct abi_word *bytes = bytes_in(method, out);
    unsigned words = count + out;
    if (bytes != NULL)
        put(to,
            "    if (!protocol_take_bytes(%s, %u, %s%s, sizeof(%s%s), &%s%s_size))\n"
            "        return ERR_FORMAT;\n",
            message, words - 1, into, bytes->name, into, bytes->name, into, bytes->name);
    else
        put(to, "    if (!protocol_shape(%s, %u, %u))\n        return ERR_FORMAT;\n", message,
            words, handles_in(method, out));
    for (unsigned i = 0; i < count; i++)
        put_word_check(to, &list[i], i + out, message);
    for (unsigned i = 0; i < count; i++) {
        if (list[i].kind == ABI_BYTES)
            continue;
        put(to, "    %s%s = (", into, list[i].name);
        const char *type = abi_kinds[list[i].kind].user_type;
        if (type != NULL)
            put(to, "%s", type);
        else
            put(to, "enum %s", list[i].set->item.name);
        put(to, ")%s->word[%u];\n", message, i + out);
    }
}

/* ---- Clients ---- */

static void put_client(FILE *to, const struct abi_protocol *protocol, const struct abi_call *method)
{
    const struct abi_word *bytes = bytes_in(method, false);
    if (method->out_count > 0) {
        put(to,
            "\nstatic enum status take_%s_%s(const struct ipc_message *message_,\n"
            "    struct %s_%s_out *out)\n{\n",
            protocol->item.name, method->item.name, protocol->item.name, method->item.name);
        put_take(to, method, true, "out->", "message_");
        put(to, "    return OK;\n}\n");
    }
    put(to, "\n");
    put_client_head(to, protocol, method);
    put(to, "\n{\n    struct ipc_message call_ = { 0 };\n"
            "    struct ipc_message *const message_ = &call_;\n");
    if (bytes != NULL)
        put(to, "    if (in->%s_size > sizeof(in->%s))\n        return ERR_RANGE;\n", bytes->name,
            bytes->name);
    put(to, "    unsigned words_ = %u;\n", method->in_count);
    put_fill(to, method, false, "in->", "message_");
    put(to, "    message_->info = ipc_info_accept(ipc_info_with(");
    put_label(to, protocol, method);
    put(to, ", words_, %u, 0), %u);\n", handles_in(method, false), handles_in(method, true));
    put(to, "    enum status status_ = protocol_call(endpoint, message_, deadline_ns);\n");
    if (method->out_count == 0) {
        put(to, "    if (status_ == OK && !protocol_shape(message_, 1, 0))\n"
                "        return protocol_broken(message_, ERR_FORMAT);\n    return status_;\n}\n");
        return;
    }
    put(to,
        "    if (status_ != OK)\n        return status_;\n    status_ = take_%s_%s(message_, "
        "out);\n"
        "    return status_ == OK ? OK : protocol_broken(message_, status_);\n}\n",
        protocol->item.name, method->item.name);
}

/* ---- Servers ---- */

static void put_server(FILE *to, const struct abi_protocol *protocol, const struct abi_call *method)
{
    const char *name = protocol->item.name;
    put(to,
        "\nstatic enum status serve_%s_%s(const struct %s_handlers *handlers, void *context,\n"
        "    struct ipc_message *message_)\n{\n",
        name, method->item.name, name);
    put(to, "    if (handlers->%s == NULL)\n        return ERR_UNSUPPORTED;\n", method->item.name);
    if (method->in_count > 0)
        put(to, "    struct %s_%s_in in_ = { 0 };\n", name, method->item.name);
    if (method->out_count > 0)
        put(to, "    struct %s_%s_out out_ = { 0 };\n", name, method->item.name);
    put_take(to, method, false, "in_.", "message_");
    put(to, "    enum status status_ = handlers->%s(context, message_->badge%s%s);\n",
        method->item.name, method->in_count > 0 ? ", &in_" : "",
        method->out_count > 0 ? ", &out_" : "");
    put(to, "    if (status_ != OK)\n        return status_;\n");
    put(to, "    unsigned words_ = %u;\n    message_->word[0] = OK;\n", method->out_count + 1);
    put_fill(to, method, true, "out_.", "message_");
    put(to, "    message_->info = ipc_info_with(");
    put_label(to, protocol, method);
    put(to, ", words_, %u, %u);\n    return OK;\n}\n", handles_in(method, true),
        (1u << handles_in(method, true)) - 1); /* what the server made is moved */
}

static void put_dispatch(FILE *to, const struct abi_protocol *protocol)
{
    const char *name = protocol->item.name;
    put(to,
        "\nvoid %s_serve(const struct %s_handlers *handlers, void *context,\n"
        "    struct ipc_message *message)\n{\n    enum status status_ = ERR_UNSUPPORTED;\n"
        "    switch (ipc_info_label(message->info)) {\n",
        name, name);
    for (unsigned i = 0; i < protocol->method_count; i++) {
        put(to, "    case ");
        put_label(to, protocol, &protocol->method[i]);
        put(to, ":\n        status_ = serve_%s_%s(handlers, context, message);\n        break;\n",
            name, protocol->method[i].item.name);
    }
    put(to, "    default:\n        break;\n    }\n    if (status_ != OK)\n"
            "        protocol_refuse(message, status_);\n}\n");
}

/* ---- The table ---- */

static void put_table(FILE *to, const struct abi *abi)
{
    put(to, "\nconst struct protocol_description protocol_table[] = {\n");
    for (unsigned i = 0; i < abi->protocol_count; i++)
        put(to, "    { \"%s\", %s_methods_, %u },\n", abi->protocol[i].item.name,
            abi->protocol[i].item.name, abi->protocol[i].method_count);
    put(to, "    { NULL, NULL, 0 },\n};\nconst unsigned protocol_table_count = %u;\n",
        abi->protocol_count);
}

static void put_method_table(FILE *to, const struct abi_protocol *protocol)
{
    char prefix[ABI_NAME_MAX + 2];
    (void)snprintf(prefix, sizeof(prefix), "%s_", protocol->item.name);
    put(to, "\n");
    for (unsigned i = 0; i < protocol->method_count; i++) {
        put_word_table(to, prefix, &protocol->method[i], false);
        put_word_table(to, prefix, &protocol->method[i], true);
    }
    put(to, "static const struct protocol_method %s_methods_[] = {\n", protocol->item.name);
    for (unsigned i = 0; i < protocol->method_count; i++) {
        const struct abi_call *method = &protocol->method[i];
        put(to, "    { \"%s\", %llu", method->item.name, (ull)method->item.number);
        put_word_list(to, prefix, method, false);
        put_word_list(to, prefix, method, true);
        put(to, " },\n");
    }
    put(to, "};\n");
}

void emit_protocols_c(FILE *to, const struct abi *abi)
{
    put(to, "/* Every protocol: clients, servers, and a table for tracing and fuzzing. */\n"
            "#include <base/protocol_table.h>\n");
    for (unsigned i = 0; i < abi->protocol_count; i++)
        put(to, "#include <protocol_%s.h>\n", abi->protocol[i].item.name);
    put(to, "#include <rt/protocol.h>\n");
    for (unsigned i = 0; i < abi->protocol_count; i++) {
        const struct abi_protocol *protocol = &abi->protocol[i];
        for (unsigned j = 0; j < protocol->method_count; j++) {
            put_client(to, protocol, &protocol->method[j]);
            put_server(to, protocol, &protocol->method[j]);
        }
        put_dispatch(to, protocol);
        put_method_table(to, protocol);
    }
    put_table(to, abi);
}
