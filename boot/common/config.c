/* limine.conf: lines of `option: value`, entries that begin with slashes, comments. See config.h
 * for how much of it matters here. A file that cannot be understood is refused with its line.
 */

#include "config_impl.h"

#include <base/string.h>
#include <boot/platform.h>

struct parser {
    struct config *config;
    struct config_problem *problem;
    unsigned line;
    uint64_t wanted_entry;  /* 1-based */
    uint64_t current_entry; /* counts the entries that a menu would show */
    size_t visible_depth;   /* entries nested deeper are folded away */
    bool inside;            /* of the wanted entry */
    bool found;
};

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c;
}

static bool equal_nocase(const char *a, const char *b)
{
    while (*a != 0 && lower(*a) == lower(*b))
        a++, b++;
    return lower(*a) == lower(*b);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static enum status refuse(struct parser *parser, const char *text)
{
    *parser->problem = (struct config_problem){ parser->line, text };
    return ERR_FORMAT;
}

/* Cut the next line off; blanks around it are removed. NULL at the end. */
static char *next_line(char **text, char *end)
{
    char *line = *text;
    if (line >= end)
        return NULL;
    char *stop = line;
    while (stop < end && *stop != '\n')
        stop++;
    *text = stop + 1;
    while (stop > line && is_blank(stop[-1]))
        stop--;
    *stop = 0;
    while (is_blank(*line))
        line++;
    return line;
}

/* Split `name: value` in place; the value is NULL if there is no colon. */
static char *split_option(char *line)
{
    char *colon = strchr(line, ':');
    if (colon == NULL)
        return NULL;
    *colon++ = 0;
    while (is_blank(*colon))
        colon++;
    return colon;
}

static bool parse_number(const char *text, uint64_t *number_out)
{
    uint64_t number = 0;
    if (*text == 0)
        return false;
    for (; *text != 0; text++) {
        if (*text < '0' || *text > '9' || number > 1000000)
            return false;
        number = number * 10 + (uint64_t)(*text - '0');
    }
    *number_out = number;
    return true;
}

static int hex_digit(char c)
{
    c = lower(c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool config_parse_hex(const char *text, uint8_t *bytes_out, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        int high = hex_digit(text[2 * i]);
        int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);
        if (low < 0)
            return false;
        bytes_out[i] = (uint8_t)(high << 4 | low);
    }
    return text[2 * size_bytes] == 0;
}

static enum status module_option(struct parser *parser, const char *name, const char *value)
{
    struct config *config = parser->config;
    if (equal_nocase(name, "module_path")) {
        if (config->module_count == CONFIG_MODULE_MAX)
            return refuse(parser, "too many modules");
        config->module[config->module_count++] =
            (struct config_module){ .path = value, .cmdline = "" };
        return OK;
    }

    bool digest = equal_nocase(name, "module_sha256");
    if (!digest && !equal_nocase(name, "module_cmdline") && !equal_nocase(name, "module_string"))
        return OK;
    if (config->module_count == 0)
        return refuse(parser, "an option of a module stands before any module_path");
    struct config_module *module = &config->module[config->module_count - 1];
    if (!digest) {
        module->cmdline = value;
        return OK;
    }
    if (!config_parse_hex(value, module->digest, SHA256_BYTES))
        return refuse(parser, "module_sha256 is not 64 hexadecimal digits");
    module->digest_present = true;
    return OK;
}

/* An option of the wanted entry. Of single-valued options the first counts, as with Limine. */
static enum status entry_option(struct parser *parser, const char *name, const char *value)
{
    static const struct {
        const char *name;
        size_t at;
    } single[] = {
        { "protocol", offsetof(struct config, protocol) },
        { "kernel_path", offsetof(struct config, kernel_path) },
        { "path", offsetof(struct config, kernel_path) },
        { "kernel_cmdline", offsetof(struct config, cmdline) },
        { "cmdline", offsetof(struct config, cmdline) },
    };
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
        const char **field = (const char **)(void *)((char *)parser->config + single[i].at);
        if (!equal_nocase(name, single[i].name))
            continue;
        if (*field == NULL)
            *field = value;
        return OK;
    }
    if (equal_nocase(name, "paging_mode") || equal_nocase(name, "min_paging_mode"))
        parser->config->five_level_only = equal_nocase(value, "5level");
    if (equal_nocase(name, "dtb_path"))
        return refuse(parser, "dtb_path is not supported");
    return module_option(parser, name, value);
}

/* Entries nested in one that is folded have no number of their own. */
static void entry_line(struct parser *parser, const char *line)
{
    size_t depth = 0;
    while (line[depth] == '/')
        depth++;
    parser->inside = false;
    if (depth > parser->visible_depth)
        return;
    parser->visible_depth = line[depth] == '+' ? depth + 1 : depth;
    parser->current_entry++;
    if (parser->current_entry == parser->wanted_entry)
        parser->inside = parser->found = true;
}

static enum status parse_line(struct parser *parser, char *line)
{
    if (*line == 0 || *line == '#')
        return OK;
    if (*line == '/') {
        entry_line(parser, line);
        return OK;
    }
    char *value = split_option(line);
    if (value == NULL)
        return refuse(parser, "neither an entry nor an option");
    return parser->inside ? entry_option(parser, line, value) : OK;
}

/* Before anything is cut: the number of the default entry, which may stand anywhere. */
static enum status find_default(struct parser *parser, const char *text)
{
    static const char name[] = "default_entry:";
    parser->wanted_entry = 1;
    for (parser->line = 1; text != NULL; parser->line++) {
        char digits[16];
        size_t length = 0;
        while (is_blank(*text))
            text++;
        size_t i = 0;
        while (i < sizeof(name) - 1 && lower(text[i]) == name[i])
            i++;
        if (i == sizeof(name) - 1) {
            text += i;
            while (is_blank(*text))
                text++;
            for (; *text != 0 && *text != '\n' && !is_blank(*text); text++) {
                if (length < sizeof(digits) - 1)
                    digits[length++] = *text;
            }
            digits[length] = 0;
            if (!parse_number(digits, &parser->wanted_entry) || parser->wanted_entry == 0)
                return refuse(parser, "default_entry is not a number from 1 on");
            break;
        }
        text = strchr(text, '\n');
        text = text != NULL ? text + 1 : NULL;
    }
    return OK;
}

/* A text file has no control characters: what has some is damaged, whatever it seems to say. */
static enum status check_text(struct parser *parser, const char *text, size_t size_bytes)
{
    parser->line = 1;
    for (size_t i = 0; i < size_bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n')
            parser->line++;
        else if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7f)
            return refuse(parser, "it contains bytes that are not text");
    }
    return OK;
}

static enum status check_complete(struct parser *parser)
{
    struct config *config = parser->config;
    parser->line = 0;
    if (!parser->found)
        return refuse(parser, "it has no default entry");
    if (config->protocol == NULL || !equal_nocase(config->protocol, "limine"))
        return refuse(parser, "its default entry does not say `protocol: limine`");
    if (config->kernel_path == NULL)
        return refuse(parser, "its default entry has no kernel_path");
    if (config->five_level_only)
        return refuse(parser, "it insists on five-level paging");
    if (config->cmdline == NULL)
        config->cmdline = "";
    return OK;
}

enum status config_parse(const char *text, size_t size_bytes, const char *arch, char *work,
                         struct config *config_out, struct config_problem *problem_out)
{
    struct parser parser = { .config = config_out, .problem = problem_out, .visible_depth = 1 };
    size_t length;
    char *line;

    *config_out = (struct config){ 0 };
    if (size_bytes > CONFIG_FILE_MAX)
        return refuse(&parser, "it is too large");
    enum status status = check_text(&parser, text, size_bytes);
    if (status != OK)
        return status;
    parser.line = 0;
    if (config_expand(text, size_bytes, arch, work, &length) != OK)
        return refuse(&parser, "its macros are malformed");
    status = find_default(&parser, work);

    char *end = work + length;
    parser.line = 0;
    while (status == OK && (line = next_line(&work, end)) != NULL) {
        parser.line++;
        status = parse_line(&parser, line);
    }
    return status == OK ? check_complete(&parser) : status;
}

enum status config_split_path(char *uri, const char **path_out, const char **hash_out)
{
    char *open = strchr(uri, '(');
    char *close = open != NULL ? strchr(open, ')') : NULL;
    if (close == NULL || close[1] != ':' || close[2] != '/' || close[3] == 0)
        return ERR_FORMAT;
    if (close != open + 1 || open - uri != 4 || lower(uri[0]) != 'b' || lower(uri[1]) != 'o' ||
        lower(uri[2]) != 'o' || lower(uri[3]) != 't')
        return ERR_UNSUPPORTED;

    char *hash = strchr(close, '#');
    *hash_out = NULL;
    if (hash != NULL) {
        *hash = 0;
        *hash_out = hash + 1;
    }
    *path_out = close + 2;
    return OK;
}

bool boot_path_equal(const char *a, const char *b)
{
    for (;;) {
        while (a[0] == '/' && a[1] == '/')
            a++;
        while (b[0] == '/' && b[1] == '/')
            b++;
        if (lower(*a) != lower(*b))
            return false;
        if (*a == 0)
            return true;
        a++, b++;
    }
}
