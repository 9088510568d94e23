/* Makes from linux/linux.abi what the Linux personality and its reader need of it:
 *
 *     linuxgen code TABLE ARCH FOLDER    FOLDER/linux/calls.h and FOLDER/linux_calls.c
 *     linuxgen docs TABLE FILE           the page of what is there
 *
 * The table says one thing a line; # begins a comment:
 *
 *     group NAME "title"
 *     call NAME[=HANDLER] X86_64 AARCH64 (TYPE NAME, ...) STATUS ["gap"]
 *
 * X86_64 and AARCH64 are the call's numbers there, - where it has none. TYPE is int, i64, u32, u64
 * or user (an address in the guest); at most six. STATUS is full, partial or ignored; a gap in
 * words goes with the last two. HANDLER is the name behind linux_ if it is not the call's:
 * architectures may differ in the order of arguments.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NUMBER_COUNT = 512,
    CALL_MAX = 600,
    GROUP_MAX = 40,
    ARGUMENT_MAX = 6,
    NAME_BYTES = 40,
    TEXT_BYTES = 400,
    ARCH_COUNT = 2,
};

static const char *const arch_names[ARCH_COUNT] = { "x86_64", "aarch64" };

struct type {
    const char *name, *c;
};

static const struct type types[] = {
    { "int", "int" },      { "i64", "int64_t" },  { "u32", "uint32_t" },
    { "u64", "uint64_t" }, { "user", "uaddr_t" },
};
enum { TYPE_COUNT = sizeof(types) / sizeof(types[0]) };

static const char *const statuses[] = { "full", "partial", "ignored" };
enum { STATUS_COUNT = sizeof(statuses) / sizeof(statuses[0]) };

struct argument {
    const struct type *type;
    char name[NAME_BYTES];
};

struct call {
    char name[NAME_BYTES], handler[NAME_BYTES];
    int number[ARCH_COUNT]; /* -1: none */
    struct argument argument[ARGUMENT_MAX];
    unsigned argument_count;
    unsigned group;
    const char *status;
    char gap[TEXT_BYTES];
};

struct group {
    char name[NAME_BYTES], title[TEXT_BYTES];
};

static struct call calls[CALL_MAX];
static unsigned call_count;
static struct group groups[GROUP_MAX];
static unsigned group_count;

static const char *table_name;
static unsigned line_number;

__attribute__((format(printf, 1, 2), noreturn)) static void refuse(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%u: ", table_name, line_number);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

/* ---- Reading: each function takes what it reads off the front of *at ---- */

static void skip_blanks(const char **at)
{
    while (isblank((unsigned char)**at))
        (*at)++;
}

static bool take_character(const char **at, char wanted)
{
    skip_blanks(at);
    if (**at != wanted)
        return false;
    (*at)++;
    return true;
}

static void take_name(const char **at, char name[NAME_BYTES])
{
    size_t length = 0;
    skip_blanks(at);
    for (; islower((unsigned char)**at) || isdigit((unsigned char)**at) || **at == '_'; (*at)++) {
        if (length == NAME_BYTES - 1)
            refuse("a name that is too long");
        name[length++] = **at;
    }
    if (length == 0)
        refuse("a name was expected at '%.20s'", *at);
    name[length] = '\0';
}

static int take_number(const char **at)
{
    if (take_character(at, '-'))
        return -1;
    int number = 0;
    if (!isdigit((unsigned char)**at))
        refuse("a number or - was expected at '%.20s'", *at);
    for (; isdigit((unsigned char)**at); (*at)++) {
        number = number * 10 + (**at - '0');
        if (number >= NUMBER_COUNT)
            refuse("a number above %d", NUMBER_COUNT - 1);
    }
    return number;
}

static void take_text(const char **at, char text[TEXT_BYTES])
{
    size_t length = 0;
    if (!take_character(at, '"'))
        refuse("a text was expected at '%.20s'", *at);
    for (; **at != '"'; (*at)++) {
        if (**at == '\0' || length == TEXT_BYTES - 1)
            refuse("a text without its end, or too long");
        text[length++] = **at;
    }
    text[length] = '\0';
    (*at)++;
}

static const struct type *take_type(const char **at)
{
    char name[NAME_BYTES];
    take_name(at, name);
    for (unsigned i = 0; i < TYPE_COUNT; i++) {
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    }
    refuse("no such type: %s", name);
}

static void take_arguments(const char **at, struct call *call)
{
    if (!take_character(at, '('))
        refuse("( was expected at '%.20s'", *at);
    if (take_character(at, ')'))
        return;
    do {
        if (call->argument_count == ARGUMENT_MAX)
            refuse("more than %d arguments", ARGUMENT_MAX);
        struct argument *argument = &call->argument[call->argument_count++];
        argument->type = take_type(at);
        take_name(at, argument->name);
    } while (take_character(at, ','));
    if (!take_character(at, ')'))
        refuse(") was expected at '%.20s'", *at);
}

static void take_status(const char **at, struct call *call)
{
    char name[NAME_BYTES];
    take_name(at, name);
    for (unsigned i = 0; i < STATUS_COUNT; i++) {
        if (strcmp(statuses[i], name) == 0)
            call->status = statuses[i];
    }
    if (call->status == NULL)
        refuse("no such status: %s", name);
    skip_blanks(at);
    if (**at == '"')
        take_text(at, call->gap);
    if ((call->status == statuses[0]) != (call->gap[0] == '\0'))
        refuse("a gap goes with partial and ignored, and only with them");
}

static void check_new(const struct call *call)
{
    if (call->number[0] < 0 && call->number[1] < 0)
        refuse("%s has no number", call->name);
    for (unsigned i = 0; i < call_count; i++) {
        for (unsigned arch = 0; arch < ARCH_COUNT; arch++) {
            if (call->number[arch] >= 0 && call->number[arch] == calls[i].number[arch])
                refuse("%s has the number of %s on %s", call->name, calls[i].name,
                       arch_names[arch]);
        }
        if (strcmp(call->handler, calls[i].handler) == 0)
            refuse("%s is handled twice", call->handler);
    }
}

static void read_call(const char **at)
{
    if (call_count == CALL_MAX || group_count == 0)
        refuse("too many calls, or one outside a group");
    struct call *call = &calls[call_count];
    *call = (struct call){ .group = group_count - 1 };
    take_name(at, call->name);
    memcpy(call->handler, call->name, sizeof(call->handler));
    if (take_character(at, '='))
        take_name(at, call->handler);
    for (unsigned arch = 0; arch < ARCH_COUNT; arch++) {
        skip_blanks(at);
        call->number[arch] = take_number(at);
    }
    take_arguments(at, call);
    take_status(at, call);
    check_new(call);
    call_count++;
}

static void read_group(const char **at)
{
    if (group_count == GROUP_MAX)
        refuse("too many groups");
    take_name(at, groups[group_count].name);
    take_text(at, groups[group_count].title);
    group_count++;
}

static void read_line(char *line)
{
    const char *at = line;
    line[strcspn(line, "\n")] = '\0';
    skip_blanks(&at);
    if (*at == '#' || *at == '\0')
        return;
    char word[NAME_BYTES];
    take_name(&at, word);
    if (strcmp(word, "call") == 0)
        read_call(&at);
    else if (strcmp(word, "group") == 0)
        read_group(&at);
    else
        refuse("neither call nor group: %s", word);
    skip_blanks(&at);
    if (*at != '\0' && *at != '#')
        refuse("more than was expected: '%.20s'", at);
}

static void read_table(const char *name)
{
    char line[2 * TEXT_BYTES];
    table_name = name;
    FILE *file = fopen(name, "r");
    if (file == NULL)
        refuse("cannot be read: %s", strerror(errno));
    while (fgets(line, sizeof(line), file) != NULL) {
        line_number++;
        if (strchr(line, '\n') == NULL)
            refuse("the line is too long, or has no end");
        read_line(line);
    }
    fclose(file);
}

/* ---- Writing ---- */

static FILE *open_output(const char *folder, const char *name)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof(path), "%s%s", folder, name) >= sizeof(path)) {
        fprintf(stderr, "linuxgen: too long a name\n");
        exit(1);
    }
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        fprintf(stderr, "linuxgen: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    return file;
}

static void close_output(FILE *file)
{
    if (ferror(file) != 0 || fclose(file) != 0) {
        fprintf(stderr, "linuxgen: cannot write\n");
        exit(1);
    }
}

static void write_prototype(FILE *file, const struct call *call)
{
    fprintf(file, "int64_t linux_%s(", call->handler);
    for (unsigned i = 0; i < call->argument_count; i++)
        fprintf(file, "%s%s %s", i == 0 ? "" : ", ", call->argument[i].type->c,
                call->argument[i].name);
    fputs(call->argument_count == 0 ? "void);\n" : ");\n", file);
}

static void write_numbers(FILE *file, unsigned arch)
{
    fputs("\n/* Their numbers here. */\n/* NOLINTBEGIN(readability-identifier-naming) */\nenum {\n",
          file);
    for (unsigned i = 0; i < call_count; i++) {
        if (calls[i].number[arch] >= 0)
            fprintf(file, "    LINUX_CALL_%s = %d,\n", calls[i].name, calls[i].number[arch]);
    }
    fputs("    LINUX_CALL_LAST = LINUX_CALL_COUNT - 1,\n};\n"
          "/* NOLINTEND(readability-identifier-naming) */\n",
          file);
}

static void write_header(FILE *file, unsigned arch)
{
    fputs("/* The system calls of Linux that are handled: made from linux/linux.abi. */\n"
          "#pragma once\n\n#include <linux/copy.h>\n#include <stdint.h>\n\n"
          "/* One call: its name, and its handler behind what takes the arguments apart. A number "
          "without a\n * call has NULL for both. */\n"
          "struct linux_call {\n    const char *name;\n"
          "    int64_t (*run)(const uint64_t argument[6]);\n};\n\n",
          file);
    fprintf(file, "enum { LINUX_CALL_COUNT = %d };\n", NUMBER_COUNT);
    fputs("extern const struct linux_call linux_calls[LINUX_CALL_COUNT];\n", file);
    write_numbers(file, arch);
    for (unsigned group = 0; group < group_count; group++) {
        fprintf(file, "\n/* %s */\n", groups[group].title);
        for (unsigned i = 0; i < call_count; i++) {
            if (calls[i].group == group)
                write_prototype(file, &calls[i]);
        }
    }
}

static void write_unpacking(FILE *file, const struct call *call)
{
    fprintf(file, "\nstatic int64_t run_%s(const uint64_t argument[6])\n{\n", call->handler);
    if (call->argument_count == 0)
        fputs("    (void)argument;\n", file);
    fprintf(file, "    return linux_%s(", call->handler);
    for (unsigned i = 0; i < call->argument_count; i++)
        fprintf(file, "%s(%s)argument[%u]", i == 0 ? "" : ", ", call->argument[i].type->c, i);
    fputs(");\n}\n", file);
}

static void write_code(FILE *file, unsigned arch)
{
    fputs("/* Arguments taken apart, and the table of calls: made from linux/linux.abi. */\n"
          "#include <linux/calls.h>\n",
          file);
    for (unsigned i = 0; i < call_count; i++) {
        if (calls[i].number[arch] >= 0)
            write_unpacking(file, &calls[i]);
    }
    fputs("\nconst struct linux_call linux_calls[LINUX_CALL_COUNT] = {\n", file);
    for (unsigned i = 0; i < call_count; i++) {
        if (calls[i].number[arch] >= 0)
            fprintf(file, "    [%d] = { \"%s\", run_%s },\n", calls[i].number[arch], calls[i].name,
                    calls[i].handler);
    }
    fputs("};\n", file);
}

static void write_number(FILE *file, int number)
{
    if (number < 0)
        fputs(" - |", file);
    else
        fprintf(file, " %d |", number);
}

static void write_docs(FILE *file)
{
    fputs("# System calls of Linux\n\nWhat the personality handles. Every other number gives "
          "ENOSYS.\n",
          file);
    for (unsigned group = 0; group < group_count; group++) {
        fprintf(file,
                "\n## %s\n\n| call | x86_64 | aarch64 | status | what is missing |\n"
                "|---|---|---|---|---|\n",
                groups[group].title);
        for (unsigned i = 0; i < call_count; i++) {
            if (calls[i].group != group)
                continue;
            fprintf(file, "| %s |", calls[i].name);
            for (unsigned arch = 0; arch < ARCH_COUNT; arch++)
                write_number(file, calls[i].number[arch]);
            fprintf(file, " %s | %s |\n", calls[i].status, calls[i].gap);
        }
    }
}

static int make_code(const char *arch_name, const char *folder)
{
    for (unsigned arch = 0; arch < ARCH_COUNT; arch++) {
        if (strcmp(arch_names[arch], arch_name) != 0)
            continue;
        FILE *header = open_output(folder, "/linux/calls.h");
        write_header(header, arch);
        close_output(header);
        FILE *code = open_output(folder, "/linux_calls.c");
        write_code(code, arch);
        close_output(code);
        return 0;
    }
    fprintf(stderr, "linuxgen: no such architecture: %s\n", arch_name);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "code") == 0) {
        read_table(argv[2]);
        return make_code(argv[3], argv[4]);
    }
    if (argc == 4 && strcmp(argv[1], "docs") == 0) {
        read_table(argv[2]);
        FILE *file = open_output(argv[3], "");
        write_docs(file);
        close_output(file);
        return 0;
    }
    fprintf(stderr, "usage: linuxgen code TABLE ARCH FOLDER | linuxgen docs TABLE FILE\n");
    return 2;
}
