/* From tables to struct abi. Every rule of the contract that a reader could break is refused here,
 * with the line that breaks it: what gets through can be emitted without a thought.
 */
#include "lex.h"
#include <string.h>
#include <strings.h>

const struct abi_kind_info abi_kinds[ABI_KIND_COUNT] = {
    [ABI_WORD] = { "word", "uint64_t", "uint64_t", false, false, true, "any 64 bits" },
    [ABI_U32] = { "u32", "uint32_t", "uint32_t", false, false, true, "a number below 2^32" },
    [ABI_BOOL] = { "bool", "bool", "bool", false, false, true, "0 or 1" },
    [ABI_SIZE] = { "size", "uint64_t", "uint64_t", false, true, true, "bytes" },
    [ABI_TIME] = { "time", "uint64_t", "uint64_t", false, false, true,
                   "nanoseconds since the machine started" },
    [ABI_VADDR] = { "vaddr", "uaddr_t", "uint64_t", true, true, true,
                    "an address in an address space, which need not be the caller's" },
    [ABI_INPUT] = { "input", "uaddr_t", "const void *", true, false, false,
                    "the address of bytes that the kernel reads, once" },
    [ABI_OUTPUT] = { "output", "uaddr_t", "void *", true, false, false,
                     "the address of bytes that the kernel writes" },
    [ABI_SLOT] = { "slot", "uint64_t", "uint64_t", false, false, true,
                   "a handle that the call itself looks up, or a new one" },
    [ABI_RIGHTS] = { "rights", "uint32_t", "uint32_t", false, false, true, "a set of rights" },
    [ABI_OBJECT] = { "object", "enum object_type", "enum object_type", false, false, true,
                     "a type of object" },
    [ABI_ENUM] = { "enum", NULL, NULL, false, false, true, "one of the values listed" },
    [ABI_FLAGS] = { "flags", "uint32_t", "uint32_t", false, false, true, "any of the bits listed" },
    [ABI_HANDLE] = { "handle", "struct object *", "uint64_t", false, false, false,
                     "a handle to an object of this type, with these rights" },
    [ABI_BYTES] = { "bytes", NULL, NULL, false, false, true,
                    "a size and as many bytes; how many there is room for, each method says" },
};

/* Names become names in C; the emitters' own end with an underscore. */
static const char *const reserved[] = {
    "auto",     "break",  "case",   "char",     "const",    "continue", "default",  "do",
    "double",   "else",   "enum",   "extern",   "float",    "for",      "goto",     "if",
    "inline",   "int",    "long",   "register", "restrict", "return",   "short",    "signed",
    "sizeof",   "static", "struct", "switch",   "typedef",  "union",    "unsigned", "void",
    "volatile", "while",  "asm",    "typeof",   "bool",     "true",     "false",    "main",
};

const struct abi_call *abi_call_numbered(const struct abi *abi, uint64_t number)
{
    for (unsigned i = 0; i < abi->call_count; i++) {
        if (abi->call[i].item.number == number)
            return &abi->call[i];
    }
    return NULL;
}

uint64_t abi_call_end(const struct abi *abi)
{
    uint64_t end = 0;
    for (unsigned i = 0; i < abi->call_count; i++) {
        if (abi->call[i].item.number >= end)
            end = abi->call[i].item.number + 1;
    }
    return end;
}

bool abi_word_is_checked(const struct abi_word *word)
{
    switch (word->kind) {
    case ABI_U32:
    case ABI_BOOL:
    case ABI_RIGHTS:
    case ABI_OBJECT:
    case ABI_ENUM:
    case ABI_FLAGS:
    case ABI_HANDLE:
        return true;
    default:
        return word->page;
    }
}

bool abi_call_cannot_fail(const struct abi_call *call)
{
    for (unsigned i = 0; i < call->in_count; i++) {
        if (abi_word_is_checked(&call->in[i]))
            return false;
    }
    return call->error_count == 0 && !call->registers;
}

bool abi_kind_in_messages(enum abi_kind kind)
{
    return kind != ABI_VADDR && kind != ABI_INPUT && kind != ABI_OUTPUT && kind != ABI_SLOT;
}

/* A message's words, less those of the others, the size, and in an answer the status. */
unsigned abi_bytes_room(const struct abi_call *method, bool out)
{
    unsigned others = (out ? method->out_count : method->in_count) - 1;
    return (ABI_MESSAGE_WORDS - others - 1 - (out ? 1 : 0)) * 8;
}

/* ---- Names ---- */

static bool name_ok(struct lexer *lexer, unsigned line, const char *name, bool upper)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (upper ? (*c >= 'a' && *c <= 'z') : (*c >= 'A' && *c <= 'Z'))
            return lex_fail(lexer, line, "'%s': names here are in %s", name,
                            upper ? "capitals" : "small letters");
    }
    if (name[strlen(name) - 1] == '_')
        return lex_fail(lexer, line, "'%s' ends with an underscore", name);
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        if (strcmp(name, reserved[i]) == 0)
            return lex_fail(lexer, line, "'%s' means something else in C", name);
    }
    return true;
}

static const struct abi_item *find(const struct abi_item *items, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcasecmp(name, items[i].name) == 0)
            return &items[i];
    }
    return NULL;
}

/* Neither name nor number may be there already. */
static bool unique(struct lexer *lexer, unsigned line, const struct abi_item *items, unsigned count,
                   const struct abi_item *fresh)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(items[i].name, fresh->name) == 0)
            return lex_fail(lexer, line, "the name %s is taken", fresh->name);
        if (items[i].number == fresh->number)
            return lex_fail(lexer, line, "%s has the number %llu already", items[i].name,
                            (unsigned long long)fresh->number);
    }
    return true;
}

static bool room(struct lexer *lexer, unsigned count, unsigned max, const char *what)
{
    return count < max || lex_fail(lexer, lexer->token_line, "more than %u %s", max, what);
}

/* ---- The .def files ---- */

/* NUMBER, "text" ) after the name and its comma. */
static bool parse_def_rest(struct lexer *lexer, struct abi_item *item)
{
    item->group = lexer->group;
    return lex_punct(lexer, ',') && lex_number(lexer, "a number", &item->number) &&
           lex_punct(lexer, ',') && lex_text(lexer, "a text in quotes", &item->text) &&
           lex_punct(lexer, ')');
}

static bool parse_def_start(struct lexer *lexer, const char *macro)
{
    if (!lex_keyword(lexer, macro))
        return lex_fail(lexer, lexer->token_line, "expected %s(...)", macro);
    return lex_punct(lexer, '(');
}

static bool parse_error(struct lexer *lexer)
{
    struct abi *abi = lexer->abi;
    struct abi_item *item = &abi->error[abi->error_count];
    unsigned line = lexer->token_line;
    if (!room(lexer, abi->error_count, ABI_ERROR_MAX, "errors") ||
        !parse_def_start(lexer, "ERROR") || !lex_name(lexer, "a name", &item->name) ||
        !parse_def_rest(lexer, item) || !name_ok(lexer, line, item->name, true))
        return false;
    if (item->number == 0)
        return lex_fail(lexer, line, "0 means OK");
    return unique(lexer, line, abi->error, abi->error_count++, item);
}

static bool parse_object(struct lexer *lexer)
{
    struct abi *abi = lexer->abi;
    struct abi_item *item = &abi->object[abi->object_count];
    unsigned line = lexer->token_line;
    if (!room(lexer, abi->object_count, ABI_OBJECT_MAX, "object types") ||
        !parse_def_start(lexer, "OBJECT") || !lex_name(lexer, "a name", &item->name) ||
        !parse_def_rest(lexer, item) || !name_ok(lexer, line, item->name, true))
        return false;
    if (!unique(lexer, line, abi->object, abi->object_count++, item))
        return false;
    if (strcmp(item->name, "ANY") == 0 || strcmp(item->name, "NONE") == 0)
        return lex_fail(lexer, line, "%s is no type of its own", item->name);
    if (item->number != abi->object_count)
        return lex_fail(lexer, line, "the next number is %u", abi->object_count);
    return true;
}

/* Two rights clash if an object could have both. */
static bool right_unique(struct lexer *lexer, unsigned line, const struct abi_right *fresh)
{
    const struct abi *abi = lexer->abi;
    for (unsigned i = 0; i < abi->right_count; i++) {
        const struct abi_right *other = &abi->right[i];
        if (other->object != NULL && fresh->object != NULL && other->object != fresh->object)
            continue;
        if (!unique(lexer, line, &other->item, 1, &fresh->item))
            return false;
    }
    return true;
}

static bool parse_right(struct lexer *lexer)
{
    struct abi *abi = lexer->abi;
    struct abi_right *right = &abi->right[abi->right_count];
    const char *object;
    unsigned line = lexer->token_line;
    if (!room(lexer, abi->right_count, ABI_RIGHT_MAX, "rights") ||
        !parse_def_start(lexer, "RIGHT") || !lex_name(lexer, "an object type", &object) ||
        !lex_punct(lexer, ',') || !lex_name(lexer, "a name", &right->item.name) ||
        !parse_def_rest(lexer, &right->item) || !name_ok(lexer, line, right->item.name, true))
        return false;
    right->object = find(abi->object, abi->object_count, object);
    if (right->object == NULL && strcmp(object, "ANY") != 0)
        return lex_fail(lexer, line, "no object type %s", object);
    if (right->item.number >= ABI_RIGHT_BITS)
        return lex_fail(lexer, line, "a capability has %d rights", ABI_RIGHT_BITS);
    if ((right->object == NULL) != (right->item.number >= ABI_RIGHT_COMMON))
        return lex_fail(lexer, line, "bits from %d are type ANY's, those below are not",
                        ABI_RIGHT_COMMON);
    if (!right_unique(lexer, line, right))
        return false;
    abi->right_count++;
    return true;
}

/* ---- syscalls.abi: sets ---- */

static bool parse_members(struct lexer *lexer, struct abi_set *set, unsigned set_line)
{
    unsigned end = set->is_flags ? 32 : 64; /* dispatch checks them with one mask */
    const char *keyword = set->is_flags ? "bit" : "value";
    for (;;) {
        struct abi_item *member = &set->member[set->member_count];
        unsigned line = lexer->token_line;
        if (!lex_keyword(lexer, keyword))
            return set->member_count > 0 ||
                   lex_fail(lexer, set_line, "%s has no %s", set->item.name, keyword);
        if (!room(lexer, set->member_count, ABI_MEMBER_MAX, "members") ||
            !lex_name(lexer, "a name", &member->name) ||
            !lex_number(lexer, "a number", &member->number) ||
            !lex_text(lexer, "a text in quotes", &member->text) ||
            !name_ok(lexer, line, member->name, false) || !lex_line_end(lexer))
            return false;
        if (member->number >= end)
            return lex_fail(lexer, line, "numbers here are below %u", end);
        if (!unique(lexer, line, set->member, set->member_count, member))
            return false;
        set->member_count++;
    }
}

/* A protocol sees its own sets and those of the system calls. */
static const struct abi_set *find_set(const struct abi *abi, const char *name)
{
    for (unsigned i = 0; i < abi->set_count; i++) {
        if (abi->protocol_count > 0 && i >= abi->call_set_count &&
            i < abi->protocol[abi->protocol_count - 1].set_first)
            continue;
        if (strcmp(abi->set[i].item.name, name) == 0)
            return &abi->set[i];
    }
    return NULL;
}

static bool parse_set(struct lexer *lexer, bool is_flags)
{
    struct abi *abi = lexer->abi;
    struct abi_set *set = &abi->set[abi->set_count];
    unsigned line = lexer->token_line;
    if (!room(lexer, abi->set_count, ABI_SET_MAX, "enums and flags") ||
        !lex_name(lexer, "a name", &set->item.name) ||
        !lex_text(lexer, "a text in quotes", &set->item.text) ||
        !name_ok(lexer, line, set->item.name, false) || !lex_line_end(lexer))
        return false;
    for (unsigned i = 0; i < abi->set_count; i++) {
        if (strcmp(abi->set[i].item.name, set->item.name) == 0)
            return lex_fail(lexer, line, "the name %s is taken", set->item.name);
    }
    set->is_flags = is_flags;
    abi->set_count++;
    return parse_members(lexer, set, line);
}

/* ---- syscalls.abi: calls ---- */

static const struct abi_right *find_right(const struct abi *abi, const struct abi_item *object,
                                          const char *name)
{
    for (unsigned i = 0; i < abi->right_count; i++) {
        const struct abi_right *right = &abi->right[i];
        if ((right->object == NULL || right->object == object) &&
            strcasecmp(name, right->item.name) == 0)
            return right;
    }
    return NULL;
}

static bool parse_needs(struct lexer *lexer, struct abi_word *word)
{
    while (lexer->token == TOKEN_NAME) {
        const char *name = lexer->text;
        const struct abi_right *right = find_right(lexer->abi, word->object, name);
        if (right == NULL)
            return lex_fail(lexer, lexer->token_line, "%s has no right '%s'",
                            word->object != NULL ? word->object->name : "ANY", name);
        for (unsigned i = 0; i < word->need_count; i++) {
            if (word->need[i] == right)
                return lex_fail(lexer, lexer->token_line, "'%s' is needed twice", name);
        }
        word->need[word->need_count++] = right;
        lex_next(lexer);
    }
    return word->need_count > 0 || lex_fail(lexer, lexer->token_line, "expected a right");
}

static bool parse_handle(struct lexer *lexer, struct abi_word *word)
{
    const char *object;
    unsigned line = lexer->token_line;
    if (!lex_name(lexer, "an object type", &object))
        return false;
    word->object = find(lexer->abi->object, lexer->abi->object_count, object);
    if (word->object == NULL && strcmp(object, "any") != 0)
        return lex_fail(lexer, line, "no object type '%s'", object);
    return !lex_keyword(lexer, "need") || parse_needs(lexer, word);
}

static bool parse_word_set(struct lexer *lexer, struct abi_word *word)
{
    const char *name;
    unsigned line = lexer->token_line;
    if (!lex_name(lexer, "the name of an enum or of flags", &name))
        return false;
    word->set = find_set(lexer->abi, name);
    if (word->set == NULL || word->set->is_flags != (word->kind == ABI_FLAGS))
        return lex_fail(lexer, line, "no %s '%s'", abi_kinds[word->kind].name, name);
    return true;
}

static bool parse_type(struct lexer *lexer, struct abi_word *word)
{
    unsigned line = lexer->token_line;
    const char *name;
    if (!lex_name(lexer, "a type", &name))
        return false;
    word->kind = ABI_WORD;
    while (word->kind < ABI_KIND_COUNT && strcmp(name, abi_kinds[word->kind].name) != 0)
        word->kind++;
    if (word->kind == ABI_KIND_COUNT)
        return lex_fail(lexer, line, "no type '%s'", name);
    if (lexer->in_protocol ? !abi_kind_in_messages(word->kind) : word->kind == ABI_BYTES)
        return lex_fail(lexer, line, "type %s is not for %s", name,
                        lexer->in_protocol ? "messages" : "system calls");
    if (word->kind == ABI_HANDLE && !parse_handle(lexer, word))
        return false;
    if ((word->kind == ABI_ENUM || word->kind == ABI_FLAGS) && !parse_word_set(lexer, word))
        return false;
    word->page = lex_keyword(lexer, "page");
    if (word->page && !abi_kinds[word->kind].may_be_paged)
        return lex_fail(lexer, line, "a %s has no pages", name);
    return true;
}

/* Handles come last, up to four; bytes come last and alone, and at least one word must hold them.
 */
static bool message_order_ok(struct lexer *lexer, unsigned line, const struct abi_word *list,
                             unsigned count)
{
    unsigned handles = 0;
    for (unsigned i = 0; i < count; i++) {
        if (list[i].kind == ABI_BYTES ||
            (list[i].kind == ABI_HANDLE && list[count].kind != ABI_HANDLE))
            return lex_fail(lexer, line, "%s comes last", list[i].name);
        handles += list[i].kind == ABI_HANDLE;
    }
    if (list[count].kind == ABI_HANDLE && handles == ABI_MESSAGE_HANDLES)
        return lex_fail(lexer, line, "more than %d handles", ABI_MESSAGE_HANDLES);
    return list[count].kind != ABI_BYTES || count < ABI_MESSAGE_WORDS - 2 ||
           lex_fail(lexer, line, "no word is left for %s", list[count].name);
}

static bool parse_word(struct lexer *lexer, struct abi_call *call, bool out)
{
    struct abi_word *list = out ? call->out : call->in;
    unsigned *count = out ? &call->out_count : &call->in_count;
    unsigned line = lexer->token_line;
    unsigned max = out ? ABI_REGISTERS_OUT : ABI_REGISTERS_IN;
    if (call->registers)
        max = ABI_WORDS_MAX;
    if (lexer->in_protocol)
        max = out ? ABI_MESSAGE_WORDS - 1 : ABI_MESSAGE_WORDS; /* a status comes back too */
    if (*count == max)
        return lex_fail(lexer, line, "%s has more than %u words %s", call->item.name, max,
                        out ? "out" : "in");
    struct abi_word *word = &list[*count];
    if (!lex_name(lexer, "a name", &word->name) || !name_ok(lexer, line, word->name, false) ||
        !parse_type(lexer, word))
        return false;
    if (lexer->in_protocol && !message_order_ok(lexer, line, list, *count))
        return false;
    if (out && !lexer->in_protocol && (!abi_kinds[word->kind].may_be_out || word->page))
        return lex_fail(lexer, line, "type %s is for words that go in", abi_kinds[word->kind].name);
    for (unsigned i = 0; i < call->in_count + call->out_count; i++) {
        const struct abi_word *other =
            i < call->in_count ? &call->in[i] : &call->out[i - call->in_count];
        if (strcmp(other->name, word->name) == 0)
            return lex_fail(lexer, line, "the name %s is taken", word->name);
    }
    (*count)++;
    return lexer->token != TOKEN_TEXT || lex_text(lexer, "a text in quotes", &word->text);
}

/* No bound is needed: each error is listed once. */
static bool parse_call_error(struct lexer *lexer, struct abi_call *call)
{
    unsigned line = lexer->token_line;
    const char *name;
    const char *when;
    if (!lex_name(lexer, "the name of an error", &name) ||
        !lex_text(lexer, "a text in quotes", &when))
        return false;
    const struct abi_item *error = find(lexer->abi->error, lexer->abi->error_count, name);
    if (error == NULL)
        return lex_fail(lexer, line, "no error '%s'", name);
    for (unsigned i = 0; i < call->error_count; i++) {
        if (call->error[i].error == error)
            return lex_fail(lexer, line, "the error %s is listed twice", name);
    }
    call->error[call->error_count++] = (struct abi_call_error){ error, when };
    return true;
}

static bool parse_note(struct lexer *lexer, struct abi_call *call)
{
    return room(lexer, call->note_count, ABI_NOTES_MAX, "notes") &&
           lex_text(lexer, "a text in quotes", &call->note[call->note_count++]);
}

/* One line of a call; *found_out is false if it begins something else. */
static bool parse_call_line(struct lexer *lexer, struct abi_call *call, bool *found_out)
{
    *found_out = true;
    if (lex_keyword(lexer, "in"))
        return parse_word(lexer, call, false);
    if (lex_keyword(lexer, "out"))
        return parse_word(lexer, call, true);
    if (lex_keyword(lexer, "error"))
        return parse_call_error(lexer, call);
    if (lex_keyword(lexer, "note"))
        return parse_note(lexer, call);
    if (lexer->in_protocol) {
        *found_out = false;
        return true;
    }
    if (lex_keyword(lexer, "self"))
        return call->self = true;
    if (lex_keyword(lexer, "noreturn"))
        return call->noreturn = true;
    if (lexer->token == TOKEN_NAME && strcmp(lexer->text, "registers") == 0) {
        if (call->in_count + call->out_count > 0)
            return lex_fail(lexer, lexer->token_line, "registers comes before the words");
        lex_next(lexer);
        return call->registers = true;
    }
    *found_out = false;
    return true;
}

/* What only the whole entry shows. */
static bool call_ok(struct lexer *lexer, const struct abi_call *call)
{
    if (lexer->in_protocol)
        return true;
    bool names = false;
    for (unsigned i = 0; i < call->in_count; i++)
        names = names || call->in[i].kind == ABI_HANDLE || call->in[i].kind == ABI_SLOT;
    if (names == call->self)
        return lex_fail(lexer, call->line, "%s %s", call->item.name,
                        names ? "names a capability, and so is not self"
                              : "names no capability, and does not say self");
    if (call->noreturn && (call->out_count > 0 || !abi_call_cannot_fail(call)))
        return lex_fail(lexer, call->line, "%s never returns, but has a result", call->item.name);
    return true;
}

/* NUMBER NAME "text", then the lines that belong to it. */
static bool parse_call_in(struct lexer *lexer, unsigned line, struct abi_call *list,
                          unsigned *count, unsigned end)
{
    struct abi_call *call = &list[*count];
    const char *what = lexer->in_protocol ? "methods" : "system calls";
    if (!room(lexer, *count, end, what) || !lex_number(lexer, "a number", &call->item.number) ||
        !lex_name(lexer, "a name", &call->item.name) ||
        !lex_text(lexer, "a text in quotes", &call->item.text) ||
        !name_ok(lexer, line, call->item.name, false) || !lex_line_end(lexer))
        return false;
    if (call->item.number >= ABI_SYSCALL_END)
        return lex_fail(lexer, line, "numbers of %s are below %d", what, ABI_SYSCALL_END);
    for (unsigned i = 0; i < *count; i++) {
        if (!unique(lexer, line, &list[i].item, 1, &call->item))
            return false;
    }
    call->line = line;
    (*count)++;
    for (;;) {
        bool found;
        if (!parse_call_line(lexer, call, &found))
            return false;
        if (!found)
            return call_ok(lexer, call);
        if (!lex_line_end(lexer))
            return false;
    }
}

static bool parse_call(struct lexer *lexer, unsigned line)
{
    struct abi *abi = lexer->abi;
    return parse_call_in(lexer, line, abi->call, &abi->call_count, ABI_SYSCALL_END);
}

static bool parse_entry(struct lexer *lexer)
{
    unsigned line = lexer->token_line;
    if (lex_keyword(lexer, "syscall"))
        return parse_call(lexer, line);
    if (lex_keyword(lexer, "enum"))
        return parse_set(lexer, false);
    if (lex_keyword(lexer, "flags"))
        return parse_set(lexer, true);
    return lex_fail(lexer, line, "expected syscall, enum or flags, or a line that belongs to one");
}

bool abi_parse(struct abi *abi, const struct abi_source source[TABLE_COUNT])
{
    static bool (*const entry[TABLE_COUNT])(struct lexer *) = { parse_error, parse_object,
                                                                parse_right, parse_entry };
    memset(abi, 0, sizeof(*abi));
    for (unsigned i = 0; i < TABLE_COUNT; i++) {
        struct lexer lexer;
        lex_start(&lexer, abi, &source[i], i == TABLE_SYSCALLS);
        while (lexer.token != TOKEN_END) {
            if (!entry[i](&lexer))
                return false;
        }
        if (lex_failed(&lexer))
            return false;
    }
    abi->call_set_count = abi->set_count;
    return abi->call_count > 0 ||
           (snprintf(abi->message, sizeof(abi->message), "%.200s:1: no system calls",
                     source[TABLE_SYSCALLS].path),
            false);
}

/* ---- Protocols ---- */

static bool parse_method_entry(struct lexer *lexer, struct abi_protocol *protocol)
{
    unsigned line = lexer->token_line;
    if (lex_keyword(lexer, "enum"))
        return parse_set(lexer, false);
    if (lex_keyword(lexer, "flags"))
        return parse_set(lexer, true);
    if (lex_keyword(lexer, "method"))
        return parse_call_in(lexer, line, protocol->method, &protocol->method_count,
                             ABI_METHOD_MAX);
    return lex_fail(lexer, line, "expected method, enum or flags, or a line that belongs to one");
}

static bool parse_protocol_head(struct lexer *lexer, struct abi_protocol *protocol)
{
    struct abi *abi = lexer->abi;
    unsigned line = lexer->token_line;
    if (!lex_keyword(lexer, "protocol"))
        return lex_fail(lexer, line, "expected protocol");
    if (!lex_name(lexer, "a name", &protocol->item.name) ||
        !lex_text(lexer, "a text in quotes", &protocol->item.text) ||
        !name_ok(lexer, line, protocol->item.name, false) || !lex_line_end(lexer))
        return false;
    for (const struct abi_protocol *other = abi->protocol; other < protocol; other++) {
        if (strcmp(other->item.name, protocol->item.name) == 0)
            return lex_fail(lexer, line, "the name %s is taken", protocol->item.name);
    }
    return true;
}

bool abi_parse_protocol(struct abi *abi, const struct abi_source *source)
{
    struct lexer lexer;
    lex_start(&lexer, abi, source, true);
    lexer.in_protocol = true;
    if (!room(&lexer, abi->protocol_count, ABI_PROTOCOL_MAX, "protocols"))
        return false;
    struct abi_protocol *protocol = &abi->protocol[abi->protocol_count];
    protocol->set_first = abi->set_count;
    if (!parse_protocol_head(&lexer, protocol))
        return false;
    abi->protocol_count++;
    while (lexer.token != TOKEN_END) {
        if (!parse_method_entry(&lexer, protocol))
            return false;
    }
    if (lex_failed(&lexer))
        return false;
    protocol->set_end = abi->set_count;
    return protocol->method_count > 0 ||
           lex_fail(&lexer, 1, "%s has no methods", protocol->item.name);
}
