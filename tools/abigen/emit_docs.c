/* The reference pages, in Markdown. */
#include "abigen.h"
#include <ctype.h>
#include <string.h>

static void put_lower(FILE *to, const char *name)
{
    for (const char *c = name; *c != '\0'; c++)
        put(to, "%c", tolower((unsigned char)*c));
}

/* ---- syscalls.md ---- */

void put_word_doc(FILE *to, const struct abi_word *word, const char *direction)
{
    put(to, "- %s `%s`: %s", direction, word->name, abi_kinds[word->kind].name);
    if (word->kind == ABI_HANDLE) {
        put(to, " of ");
        put_lower(to, word->object != NULL ? word->object->name : "any object");
        for (unsigned i = 0; i < word->need_count; i++) {
            put(to, i > 0 ? ", " : " with ");
            put_lower(to, word->need[i]->item.name);
        }
    }
    if (word->set != NULL)
        put(to, " [%s](#%s)", word->set->item.name, word->set->item.name);
    put(to, "%s", word->page ? ", page aligned" : "");
    put(to, word->text != NULL ? "; %s\n" : "\n", word->text);
}

/* What the dispatcher adds to the errors that the entry lists. */
static void put_implied(FILE *to, const struct abi_call *call, const char *name, bool handles,
                        const char *when)
{
    for (unsigned i = 0; i < call->error_count; i++) {
        if (strcmp(call->error[i].error->name, name) == 0)
            return;
    }
    for (unsigned i = 0; i < call->in_count; i++) {
        if (abi_word_is_checked(&call->in[i]) && (call->in[i].kind == ABI_HANDLE) == handles) {
            put(to, "- error `%s`: %s\n", name, when);
            return;
        }
    }
}

static void put_call(FILE *to, const struct abi_call *call)
{
    put(to, "\n## %s\n\n%s Number %llu.", call->item.name, call->item.text,
        (unsigned long long)call->item.number);
    put(to, "%s", call->self ? " Acts on the caller alone." : "");
    put(to, "%s", call->noreturn ? " Never returns." : "");
    put(to, "%s", call->registers ? " More words than usual travel in registers." : "");
    put(to, "\n\n");
    for (unsigned i = 0; i < call->in_count; i++)
        put_word_doc(to, &call->in[i], "in");
    for (unsigned i = 0; i < call->out_count; i++)
        put_word_doc(to, &call->out[i], "out");
    for (unsigned i = 0; i < call->error_count; i++)
        put(to, "- error `%s`: %s\n", call->error[i].error->name, call->error[i].when);
    put_implied(to, call, "ACCESS", true,
                "a handle names no object of its type, or with too few rights");
    put_implied(to, call, "RANGE", false, "a word is not what its type allows");
    for (unsigned i = 0; i < call->note_count; i++)
        put(to, "\n%s\n", call->note[i]);
}

void put_set_doc(FILE *to, const struct abi_set *set)
{
    put(to, "\n## %s\n\n%s %s\n\n", set->item.name, set->item.text,
        set->is_flags ? "Any of these bits:" : "One of these values:");
    for (unsigned i = 0; i < set->member_count; i++)
        put(to, "- %llu `%s`: %s\n", (unsigned long long)set->member[i].number, set->member[i].name,
            set->member[i].text);
}

void emit_syscalls_md(FILE *to, const struct abi *abi)
{
    put(to,
        "# System calls\n\n"
        "Made from `abi/syscalls.abi`. A call has up to six words in and one out, in registers,\n"
        "and a status (see [errors](errors.md)); a word comes out only with OK. A number that is\n"
        "not here gives `SYSCALL`. Before the handler runs, every word is checked for what its\n"
        "type says, then every handle for the object's type and the rights needed\n"
        "(see [objects](objects.md)).\n\n");
    for (unsigned i = 0; i < ABI_BYTES; i++)
        put(to, "- *%s*: %s\n", abi_kinds[i].name, abi_kinds[i].text);
    for (uint64_t number = 0; number < abi_call_end(abi); number++) {
        const struct abi_call *call = abi_call_numbered(abi, number);
        if (call != NULL)
            put_call(to, call);
    }
    for (unsigned i = 0; i < abi->call_set_count; i++)
        put_set_doc(to, &abi->set[i]);
}

/* ---- errors.md and objects.md ---- */

void emit_errors_md(FILE *to, const struct abi *abi)
{
    const char *group = NULL;
    put(to, "# Errors\n\nMade from `abi/errors.def`. 0 is OK. The first of each group is the "
            "general one.\n\n");
    for (unsigned i = 0; i < abi->error_count; i++) {
        const struct abi_item *error = &abi->error[i];
        if (error->group != group && error->group != NULL)
            put(to, "%s%s\n\n", i > 0 ? "\n" : "", error->group);
        group = error->group;
        put(to, "- %llu `%s`: %s\n", (unsigned long long)error->number, error->name, error->text);
    }
}

static void put_rights_of(FILE *to, const struct abi *abi, const struct abi_item *object)
{
    for (unsigned i = 0; i < abi->right_count; i++) {
        const struct abi_right *right = &abi->right[i];
        if (right->object != object)
            continue;
        put(to, "- bit %llu `", (unsigned long long)right->item.number);
        put_lower(to, right->item.name);
        put(to, "`: %s\n", right->item.text);
    }
}

void emit_objects_md(FILE *to, const struct abi *abi)
{
    put(to, "# Objects and rights\n\nMade from `abi/objects.def` and `abi/rights.def`. Rights only "
            "shrink from copy to copy.\n\n## Every object\n\n");
    put_rights_of(to, abi, NULL);
    for (unsigned i = 0; i < abi->object_count; i++) {
        put(to, "\n## ");
        put_lower(to, abi->object[i].name);
        put(to, "\n\nType %llu: %s.\n\n", (unsigned long long)abi->object[i].number,
            abi->object[i].text);
        put_rights_of(to, abi, &abi->object[i]);
    }
}

/* ---- protocols.md ---- */

static void put_method(FILE *to, const struct abi_protocol *protocol, const struct abi_call *method)
{
    put(to, "\n### %s.%s\n\n%s Label %llu.\n\n", protocol->item.name, method->item.name,
        method->item.text, (unsigned long long)method->item.number);
    for (unsigned i = 0; i < method->in_count; i++)
        put_word_doc(to, &method->in[i], "in");
    for (unsigned i = 0; i < method->out_count; i++)
        put_word_doc(to, &method->out[i], "out");
    for (unsigned i = 0; i < method->error_count; i++)
        put(to, "- error `%s`: %s\n", method->error[i].error->name, method->error[i].when);
    for (unsigned i = 0; i < method->note_count; i++)
        put(to, "\n%s\n", method->note[i]);
}

void emit_protocols_md(FILE *to, const struct abi *abi)
{
    put(to, "# Protocols\n\n"
            "Made from the tables in `abi/protocols`: what each service answers to. A method is a\n"
            "call by IPC whose label is its number; the first word of the answer is a status\n"
            "(see [errors](errors.md)), and the rest come only with OK. What is not a message of\n"
            "the protocol is answered by `FORMAT`, a word that its type does not allow by\n"
            "`RANGE`, a method that the service lacks by `UNSUPPORTED`.\n\n"
            "A *bytes* word is a size and as many bytes as the words left can hold; the types of\n"
            "the others are those of [system calls](syscalls.md).\n");
    for (unsigned i = 0; i < abi->protocol_count; i++) {
        const struct abi_protocol *protocol = &abi->protocol[i];
        put(to, "\n## %s\n\n%s\n", protocol->item.name, protocol->item.text);
        for (unsigned j = 0; j < protocol->method_count; j++)
            put_method(to, protocol, &protocol->method[j]);
        for (unsigned j = protocol->set_first; j < protocol->set_end; j++)
            put_set_doc(to, &abi->set[j]);
    }
}
