/* The rules of the house that no compiler knows, as a program: reads file names on standard input,
 * prints one line "FILE:LINE: what" for each breach, and ends with 1 if there was one.
 *
 *     git ls-files | tidy RATCHET
 *
 * RATCHET lists the functions that may be longer than FUNCTION_LINES_MAX, each with the length it
 * may not grow beyond and the reason: "FILE FUNCTION LINES reason". A line that is no longer needed
 * is a breach too, so the list only shrinks.
 *
 * It reads lines, not C: what it relies on (a function's closing brace in column 0, one #include a
 * line) is what clang-format writes.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_LENGTH_MAX = 100,
    FUNCTION_LINES_MAX = 70,
    KERNEL_LINES_MAX = 12000,
    ARCH_LINES_MAX = 6000,
    PATH_LENGTH_MAX = 512,
    TEXT_LENGTH_MAX = 4096,
    RATCHET_MAX = 128,
};

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

struct ratchet {
    char file[PATH_LENGTH_MAX];
    char function[128];
    long lines;
    bool used;
};

static struct ratchet ratchets[RATCHET_MAX];
static size_t ratchet_count;
static const char *ratchet_file;
static unsigned breaches;

/* Where we are. */
static const char *path;
static long line_number;

__attribute__((format(printf, 2, 3))) static void breach_at(long line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("%s:%ld: ", path, line);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    breaches++;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static bool is_word_character(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static bool has_word(const char *text, const char *word)
{
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        bool before = at != text && is_word_character(at[-1]);
        if (!before && !is_word_character(at[strlen(word)]))
            return true;
    }
    return false;
}

static bool is_c(void)
{
    return ends_with(path, ".c") || ends_with(path, ".h");
}

static bool is_source(void)
{
    return is_c() || ends_with(path, ".S") || ends_with(path, ".def") || ends_with(path, ".ld");
}

/* Rules for words. Some are written in pieces, so that this file keeps its own rules. */
struct word_rule {
    const char *word;
    const char *why;
};

static const struct word_rule words_anywhere[] = {
    { "TO"
      "DO",
      "unfinished work belongs in an issue or in docs/caveats.md" },
    { "FIX"
      "ME",
      "unfinished work belongs in an issue or in docs/caveats.md" },
    { "X"
      "XX",
      "unfinished work belongs in an issue or in docs/caveats.md" },
};

static const struct word_rule texts_anywhere[] = {
    { "debian"
      ".org",
      "names the host of a package registry: the package client knows it" },
    { "ubuntu"
      ".com",
      "names the host of a package registry: the package client knows it" },
    { "npmjs"
      ".org",
      "names the host of a package registry: the package client knows it" },
    { "<<<<"
      "<<<",
      "a merge was left unfinished" },
};

static const struct word_rule words_in_c[] = {
    { "strcpy", "unbounded: format_text() or memcpy() with a checked size" },
    { "strcat", "unbounded: format_text()" },
    { "sprintf", "unbounded: format_text() or snprintf()" },
    { "gets", "unbounded" },
    { "alloca", "an unbounded stack: a fixed buffer, or an allocation" },
    { "setjmp", "hides control flow; a host test may catch what never returns" },
    { "longjmp", "hides control flow; a host test may catch what never returns" },
};

static const char *const cpu_words[] = { "__x86_64__", "__aarch64__", "__amd64__", "__i386__" };

static bool knows_cpus(void)
{
    return starts_with(path, "kernel/arch/") || starts_with(path, "boot/") ||
           starts_with(path, "lib/rt/") || starts_with(path, "linux/arch/") ||
           starts_with(path, "linux/machine/native/") || starts_with(path, "linux/vdso/arch/") ||
           starts_with(path, "tests/") || starts_with(path, "build/") ||
           strcmp(path, "abi/limine.h") == 0 || strcmp(path, "abi/guest.h") == 0 ||
           strcmp(path, "tools/tidy.c") == 0;
}

static void check_words(const char *line)
{
    bool own = strcmp(path, "tools/tidy.c") == 0;
    for (size_t i = 0; i < ARRAY_LEN(words_anywhere); i++) {
        if (has_word(line, words_anywhere[i].word))
            breach_at(line_number, "%s: %s", words_anywhere[i].word, words_anywhere[i].why);
    }
    for (size_t i = 0; i < ARRAY_LEN(texts_anywhere); i++) {
        if (strstr(line, texts_anywhere[i].word) != NULL)
            breach_at(line_number, "%s: %s", texts_anywhere[i].word, texts_anywhere[i].why);
    }
    if (!is_c() || own)
        return;
    for (size_t i = 0; i < ARRAY_LEN(words_in_c); i++) {
        const char *call = strstr(line, words_in_c[i].word);
        if (strstr(path, "/host/") != NULL && strstr(words_in_c[i].word, "jmp") != NULL)
            continue;
        if (call != NULL && call[strlen(words_in_c[i].word)] == '(' &&
            has_word(line, words_in_c[i].word))
            breach_at(line_number, "%s: %s", words_in_c[i].word, words_in_c[i].why);
    }
    for (size_t i = 0; i < ARRAY_LEN(cpu_words) && !knows_cpus(); i++) {
        if (has_word(line, cpu_words[i]))
            breach_at(line_number,
                      "%s: CPUs are known to kernel/arch, linux/arch, boot and lib/rt only",
                      cpu_words[i]);
    }
    bool assembly = has_word(line, "__asm__") || has_word(line, "asm");
    if (assembly && strchr(line, '(') != NULL && !knows_cpus() && is_c() &&
        strstr(line, "/*") == NULL && strstr(line, " * ") == NULL)
        breach_at(line_number, "assembly belongs to kernel/arch, boot and lib/rt");
}

static void check_layout(const char *line, size_t length)
{
    if (length > 0 && line[length - 1] == '\r')
        breach_at(line_number, "ends with a carriage return");
    else if (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        breach_at(line_number, "ends with white space");
    if (!is_source())
        return;
    size_t columns = 0;
    for (size_t i = 0; i < length; i++)
        columns += ((unsigned char)line[i] & 0xc0) != 0x80; /* characters, not bytes of UTF-8 */
    if (columns > LINE_LENGTH_MAX)
        breach_at(line_number, "%zu columns (at most %d)", columns, LINE_LENGTH_MAX);
}

/* Who may include what: the first line whose `from` the path starts with decides. Each name in
 * `may` is the start of an included name; "." is a file beside it; "c" any name without a slash
 * (abi and the compiler's own headers, or the C library's where that is linked).
 */
struct direction {
    const char *from;
    const char *may[13];
};

static const struct direction directions[] = {
    { "abi/", { "c" } },
    { "lib/base/host/", { "c", "base/", "sys/" } },
    { "lib/base/", { "c", "base/", "." } },
    { "lib/fs/", { "c", "base/", "fs/", "." } },
    { "lib/digest/", { "c", "base/", "digest/", "." } },
    { "lib/elf/", { "c", "base/", "elf/", "." } },
    { "lib/program/", { "c", "base/", "elf/", "fs/", "program/", "rt/", "." } },
    { "lib/oci/", { "c", "base/", "digest/", "fs/", "oci/", "." } },
    { "lib/client/", { "c", "base/", "client/", "rt/", "." } },
    { "lib/container/", { "c", "base/", "container/", "." } },
    { "lib/manifest/", { "c", "base/", "manifest/", "." } },
    { "lib/rt/", { "c", "base/", "rt/", "rt_arch/", ".", "sys/" } },
    { "kernel/include/arch/", { "c", "base/", "kernel/", "arch/", "arch_impl/" } },
    { "kernel/include/", { "c", "base/", "kernel/", "arch/" } },
    { "kernel/arch/host/", { "c", "base/", "kernel/", "arch/", "arch_impl/", ".", "sys/" } },
    { "kernel/arch/", { "c", "base/", "kernel/", "arch/", "arch_impl/", "." } },
    { "kernel/", { "c", "base/", "kernel/", "arch/", "." } },
    { "boot/", { "c", "base/", "boot/", "digest/", "elf/", "." } },
    { "linux/machine/host/", { "c", "base/", "linux/", "rt/", ".", "sys/" } },
    { "linux/machine/", { "c", "base/", "linux/", "rt/", "rt_arch/", "." } },
    { "linux/", { "c", "base/", "elf/", "fs/", "linux/", "rt/", "." } },
    { "services/",
      { "c", "base/", "client/", "container/", "digest/", "elf/", "fs/", "manifest/", "oci/",
        "program/", "rt/", "rt_arch/", "." } },
    { "tests/services/",
      { "c", "base/", "client/", "container/", "digest/", "fs/", "oci/", "program/", "rt/",
        "rt_arch/", "sys/", "." } },
    { "tests/guest/", { "c", "base/", "rt/", "." } },
    { "tests/sandbox/", { "c", "base/", "rt/", "." } },
    { "tools/", { "c", "base/", "digest/", "fs/", "manifest/", "oci/", ".", "sys/" } },
};

static bool direction_allows(const struct direction *direction, const char *name, char open)
{
    for (size_t i = 0; i < ARRAY_LEN(direction->may) && direction->may[i] != NULL; i++) {
        const char *may = direction->may[i];
        if (strcmp(may, ".") == 0) {
            if (open == '"')
                return true;
        } else if (strcmp(may, "c") == 0) {
            if (open == '<' && strchr(name, '/') == NULL)
                return true;
        } else if (open == '<' && starts_with(name, may)) {
            return true;
        }
    }
    return false;
}

/* The loader's front ends share parts; an architecture's own header has no name in <...> where the
 * file is compiled for the host.
 */
static bool may_reach_aside(const char *name)
{
    return starts_with(path, "boot/") ||
           (starts_with(path, "kernel/arch/") && starts_with(name, "include/arch_impl/"));
}

static void check_include(const char *line)
{
    char open;
    char name[256];
    if (sscanf(line, " # include %c%255[^>\"]", &open, name) != 2 || (open != '<' && open != '"'))
        return;
    if (ends_with(name, ".c"))
        breach_at(line_number, "includes a .c file");
    if (open == '"' && strchr(name, '/') != NULL && !may_reach_aside(name))
        breach_at(line_number, "\"%s\": quotes are for files of the same folder", name);
    for (size_t i = 0; i < ARRAY_LEN(directions); i++) {
        if (!starts_with(path, directions[i].from))
            continue;
        if (!direction_allows(&directions[i], name, open))
            breach_at(line_number, "%s may not include %s", directions[i].from, name);
        return;
    }
}

/* Functions: a definition ends with '}' in column 0 and began at the last '{' there. */
struct function {
    char name[128];
    char candidate[128]; /* the last name before a '(' that began in column 0 */
    long start;
};

static void function_candidate(struct function *function, const char *line)
{
    const char *paren = strchr(line, '(');
    if (line[0] == ' ' || line[0] == '#' || line[0] == '/' || paren == NULL)
        return;
    const char *end = paren;
    const char *start = end;
    while (start > line && is_word_character(start[-1]))
        start--;
    snprintf(function->candidate, sizeof(function->candidate), "%.*s", (int)(end - start), start);
}

static struct ratchet *ratchet_find(const char *function)
{
    for (size_t i = 0; i < ratchet_count; i++) {
        if (strcmp(ratchets[i].file, path) == 0 && strcmp(ratchets[i].function, function) == 0)
            return &ratchets[i];
    }
    return NULL;
}

static void function_end(const struct function *function)
{
    long lines = line_number - function->start + 1;
    if (lines <= FUNCTION_LINES_MAX)
        return;
    struct ratchet *ratchet = ratchet_find(function->name);
    if (ratchet == NULL) {
        breach_at(function->start, "%s() has %ld lines (at most %d, or a reason in %s)",
                  function->name, lines, FUNCTION_LINES_MAX, ratchet_file);
        return;
    }
    ratchet->used = true;
    if (lines > ratchet->lines)
        breach_at(function->start, "%s() grew from %ld to %ld lines", function->name,
                  ratchet->lines, lines);
}

static void check_function(struct function *function, const char *line)
{
    function_candidate(function, line);
    if (line[0] == '{') {
        snprintf(function->name, sizeof(function->name), "%s", function->candidate);
        function->start = line_number;
    } else if (strcmp(line, "}") == 0 && function->start != 0) {
        function_end(function);
        function->start = 0;
    }
}

/* The kernel's size: lines of code, so neither blank nor a comment alone, of what the release
 * flavour is built from. Tests do not count, nor do files that begin with a condition on CONFIG_.
 */
static long kernel_lines;
static long arch_lines[3];
static const char *const arch_folders[] = { "kernel/arch/x86_64/", "kernel/arch/aarch64/",
                                            "kernel/arch/host/" };

struct code_counter {
    long lines;
    bool in_comment;
    bool debug_only; /* the first directive asks for a flavour that has more than the release */
    bool directive_seen;
};

static bool only_comment(struct code_counter *counter, const char *text)
{
    if (counter->in_comment || starts_with(text, "/*")) {
        const char *end = strstr(text, "*/");
        counter->in_comment = end == NULL;
        return end == NULL || end[2 + strspn(end + 2, " \t")] == '\0';
    }
    return starts_with(text, "//");
}

static void count_code(struct code_counter *counter, const char *line)
{
    const char *text = line + strspn(line, " \t");
    if (*text == '\0' || only_comment(counter, text))
        return;
    counter->lines++;
    if (*text == '#' && !counter->directive_seen && !starts_with(text, "#pragma once")) {
        counter->directive_seen = true;
        counter->debug_only =
            starts_with(text, "#ifdef CONFIG_") || starts_with(text, "#if defined(CONFIG_");
    }
}

static void count_kernel(long lines)
{
    if (!starts_with(path, "kernel/") || ends_with(path, "_test.c") || ends_with(path, "_test.h") ||
        ends_with(path, "_bench.c") || ends_with(path, "_fuzz.c") || ends_with(path, "_fuzz.h"))
        return;
    for (size_t i = 0; i < ARRAY_LEN(arch_folders); i++) {
        if (starts_with(path, arch_folders[i])) {
            arch_lines[i] += lines;
            return;
        }
    }
    kernel_lines += lines;
}

static void check_kernel_size(void)
{
    path = "kernel";
    if (kernel_lines > KERNEL_LINES_MAX)
        breach_at(0, "%ld lines in the portable part (at most %d)", kernel_lines, KERNEL_LINES_MAX);
    for (size_t i = 0; i < ARRAY_LEN(arch_folders); i++) {
        path = arch_folders[i];
        if (arch_lines[i] > ARCH_LINES_MAX)
            breach_at(0, "%ld lines (at most %d)", arch_lines[i], ARCH_LINES_MAX);
    }
    printf("# lines: kernel %ld, x86_64 %ld, aarch64 %ld, host %ld\n", kernel_lines, arch_lines[0],
           arch_lines[1], arch_lines[2]);
}

static void check_file(void)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        breach_at(0, "cannot be read");
        return;
    }
    char line[TEXT_LENGTH_MAX];
    struct function function = { .start = 0 };
    struct code_counter counter = { .lines = 0, .in_comment = false };
    bool once = !ends_with(path, ".h");
    bool ended = true;
    line_number = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        line_number++;
        size_t length = strlen(line);
        ended = length > 0 && line[length - 1] == '\n';
        if (ended)
            line[--length] = '\0';
        once = once || strcmp(line, "#pragma once") == 0;
        count_code(&counter, line);
        check_layout(line, length);
        check_words(line);
        if (is_c() || ends_with(path, ".S"))
            check_include(line);
        if (is_c())
            check_function(&function, line);
    }
    fclose(file);
    if (!ended)
        breach_at(line_number, "no newline at the end of the file");
    if (!once)
        breach_at(1, "a header begins with #pragma once");
    if (is_source() && !counter.debug_only)
        count_kernel(counter.lines);
}

static void ratchet_read(const char *name)
{
    ratchet_file = name;
    FILE *file = fopen(name, "r");
    if (file == NULL) {
        perror(name);
        exit(2);
    }
    char line[TEXT_LENGTH_MAX];
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        struct ratchet *ratchet = &ratchets[ratchet_count];
        char reason[2];
        if (ratchet_count == RATCHET_MAX ||
            sscanf(line, "%511s %127s %ld %1s", ratchet->file, ratchet->function, &ratchet->lines,
                   reason) != 4) {
            fprintf(stderr, "%s: bad line: %s", name, line);
            exit(2);
        }
        ratchet_count++;
    }
    fclose(file);
}

static void check_ratchets_used(void)
{
    path = ratchet_file;
    for (size_t i = 0; i < ratchet_count; i++) {
        if (!ratchets[i].used)
            breach_at(0, "%s %s is short now, or gone: remove the line", ratchets[i].file,
                      ratchets[i].function);
    }
}

/* Text that people write; not corpus files, whose bytes are what they are. */
static bool is_ours(const char *name)
{
    return strstr(name, "/corpus/") == NULL && !ends_with(name, ".bin") && !ends_with(name, ".der");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: tidy RATCHET <FILE-NAMES\n");
        return 2;
    }
    ratchet_read(argv[1]);
    char name[PATH_LENGTH_MAX];
    unsigned files = 0;
    while (fgets(name, sizeof(name), stdin) != NULL) {
        name[strcspn(name, "\n")] = '\0';
        if (!is_ours(name))
            continue;
        path = name;
        check_file();
        files++;
    }
    check_ratchets_used();
    check_kernel_size();
    printf("# %u files, %u breaches\n", files, breaches);
    return breaches == 0 && files > 0 ? 0 : 1;
}
