/* Lines of the manifest, one at a time. A line is words between blanks; `#` and what follows is a
 * comment. One pass stores what each line says; what only the whole shows is resolve.c's.
 */
#include "manifest_impl.h"
#include <base/checked.h>
#include <base/fmt.h>
#include <base/string.h>

struct word {
    const char *text;
    size_t length;
};

struct reader {
    struct manifest *manifest;
    unsigned line;
    struct word word[MANIFEST_WORD_MAX];
    unsigned word_count;
};

bool manifest_refuse(struct manifest *manifest, unsigned line, const char *format, ...)
{
    if (manifest->error[0] != '\0')
        return false;
    va_list args;
    va_start(args, format);
    (void)format_args(manifest->error, sizeof(manifest->error), format, args);
    va_end(args);
    manifest->error_line = line;
    return false;
}

static bool refuse_word(const struct reader *reader, const char *what, const struct word *word)
{
    return manifest_refuse(reader->manifest, reader->line, "%s '%.*s'", what, (int)word->length,
                           word->text);
}

static bool word_is(const struct word *word, const char *text)
{
    return word->length == strlen(text) && memcmp(word->text, text, word->length) == 0;
}

static bool is_small(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Small letters, digits and hyphens, a letter first: what tables and graphs can show as it is. */
static bool take_name(const struct reader *reader, const struct word *word, char *to)
{
    bool good = word->length > 0 && is_small(word->text[0]);
    for (size_t i = 0; i < word->length; i++)
        good = good && (is_small(word->text[i]) || is_digit(word->text[i]) || word->text[i] == '-');
    if (!good)
        return refuse_word(reader, "names are small letters, digits and hyphens, not", word);
    if (word->length >= MANIFEST_NAME_BYTES)
        return refuse_word(reader, "a name of more than 31 characters:", word);
    memcpy(to, word->text, word->length);
    to[word->length] = '\0';
    return true;
}

/* Relative to the image's root, its parts separated by single slashes, none of them "." or "..". */
static bool path_ok(const struct word *word)
{
    size_t part = 0;
    for (size_t i = 0; i <= word->length; i++) {
        char c = '/';
        if (i < word->length)
            c = word->text[i];
        if (c == '/') {
            if (i == part || word->text[part] == '.')
                return false;
            part = i + 1;
        } else if (!is_small(c) && !is_digit(c) && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return true;
}

static bool take_path(const struct reader *reader, const struct word *word, char *to)
{
    if (!path_ok(word))
        return refuse_word(reader, "not a path in the system image:", word);
    if (word->length >= MANIFEST_PATH_BYTES)
        return refuse_word(reader, "a path of more than 63 characters:", word);
    memcpy(to, word->text, word->length);
    to[word->length] = '\0';
    return true;
}

/* Decimal, of `length` characters. */
static bool read_number(const char *text, size_t length, uint64_t *number_out)
{
    uint64_t number = 0;
    for (size_t i = 0; i < length; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (!is_digit(text[i]) || !checked_mul_u64(number, 10, &number) ||
            !checked_add_u64(number, digit, &number))
            return false;
    }
    *number_out = number;
    return length > 0;
}

static bool take_number(const struct reader *reader, const struct word *word, uint64_t min,
                        uint64_t max, uint32_t *to)
{
    uint64_t number;
    if (!read_number(word->text, word->length, &number) || number < min || number > max)
        return manifest_refuse(reader->manifest, reader->line, "'%.*s': a number from %llu to %llu",
                               (int)word->length, word->text, (unsigned long long)min,
                               (unsigned long long)max);
    *to = (uint32_t)number;
    return true;
}

/* Whole pages, with K, M or G behind. */
static bool take_memory(const struct reader *reader, const struct word *word, uint64_t *to)
{
    static const char unit[] = "KMG";
    uint64_t size = 0;
    const char *found = word->length > 0 ? strchr(unit, word->text[word->length - 1]) : NULL;
    if (found == NULL || *found == '\0' || !read_number(word->text, word->length - 1, &size) ||
        !checked_mul_u64(size, (uint64_t)1 << (10 * (found - unit + 1)), &size) ||
        size % 4096 != 0 || size < MANIFEST_MEMORY_MIN || size > MANIFEST_MEMORY_MAX)
        return refuse_word(reader, "a size in whole pages, from 256K to 1024G, not", word);
    *to = size;
    return true;
}

/* ---- One function for each first word ---- */

static struct manifest_service *current(const struct reader *reader)
{
    return &reader->manifest->service[reader->manifest->service_count - 1];
}

static bool line_service(struct reader *reader)
{
    struct manifest *manifest = reader->manifest;
    if (manifest->service_count == MANIFEST_SERVICE_MAX)
        return manifest_refuse(manifest, reader->line, "more than %d services",
                               MANIFEST_SERVICE_MAX);
    struct manifest_service *service = &manifest->service[manifest->service_count];
    *service = (struct manifest_service){ .line = reader->line };
    if (!take_name(reader, &reader->word[1], service->name))
        return false;
    if (strcmp(service->name, "kernel") == 0 || strcmp(service->name, "init") == 0)
        return refuse_word(reader, "not a service of the manifest:", &reader->word[1]);
    if (manifest_find(manifest, service->name) >= 0)
        return refuse_word(reader, "a second service", &reader->word[1]);
    manifest->service_count++;
    return true;
}

static bool line_program(struct reader *reader)
{
    return take_path(reader, &reader->word[1], current(reader)->program);
}

static bool line_memory(struct reader *reader)
{
    return take_memory(reader, &reader->word[1], &current(reader)->memory_bytes);
}

static bool line_capabilities(struct reader *reader)
{
    return take_number(reader, &reader->word[1], MANIFEST_CAPABILITY_MIN, MANIFEST_CAPABILITY_MAX,
                       &current(reader)->capability_max);
}

static bool line_threads(struct reader *reader)
{
    return take_number(reader, &reader->word[1], 1, MANIFEST_THREAD_MAX,
                       &current(reader)->thread_max);
}

static bool line_cpu(struct reader *reader)
{
    return take_number(reader, &reader->word[1], 1, MANIFEST_CPU_MAX,
                       &current(reader)->cpu_percent);
}

static bool line_priority(struct reader *reader)
{
    return take_number(reader, &reader->word[1], 1, MANIFEST_PRIORITY_MAX,
                       &current(reader)->priority);
}

static bool line_restart(struct reader *reader)
{
    static const char *const policy[] = {
        [MANIFEST_RESTART_ALWAYS] = "always",
        [MANIFEST_RESTART_FAILURE] = "failure",
        [MANIFEST_RESTART_NEVER] = "never",
    };
    for (unsigned i = 0; i < ARRAY_LEN(policy); i++) {
        if (word_is(&reader->word[1], policy[i])) {
            current(reader)->restart = (enum manifest_restart)i;
            return true;
        }
    }
    return refuse_word(reader, "restart is always, failure or never, not", &reader->word[1]);
}

static bool line_serve(struct reader *reader)
{
    struct manifest *manifest = reader->manifest;
    if (manifest->serve_count == MANIFEST_SERVE_MAX)
        return manifest_refuse(manifest, reader->line, "more than %d endpoints",
                               MANIFEST_SERVE_MAX);
    struct manifest_serve *serve = &manifest->serve[manifest->serve_count];
    *serve =
        (struct manifest_serve){ .service = manifest->service_count - 1, .line = reader->line };
    if (!take_name(reader, &reader->word[1], serve->name))
        return false;
    manifest->serve_count++;
    return true;
}

/* What services give each other are endpoints, and the types of the other offers are known, so a
 * right's word is understood where it stands. */
static bool take_rights(const struct reader *reader, unsigned first, enum object_type type,
                        uint32_t *rights_out)
{
    uint32_t rights = 0;
    for (unsigned i = first; i < reader->word_count; i++) {
        uint32_t found = 0;
        for (unsigned bit = 0; bit < 32; bit++) {
            char text[MANIFEST_NAME_BYTES];
            manifest_rights_text(type, 1u << bit, text, sizeof(text));
            if (word_is(&reader->word[i], text))
                found = 1u << bit;
        }
        if (found == 0)
            return manifest_refuse(reader->manifest, reader->line, "%s has no right '%.*s'",
                                   object_type_name(type), (int)reader->word[i].length,
                                   reader->word[i].text);
        if ((rights & found) != 0)
            return refuse_word(reader, "twice the right", &reader->word[i]);
        rights |= found;
    }
    *rights_out = rights;
    return true;
}

/* kernel and init are known before any service is. */
static bool find_offer(struct manifest_take *take)
{
    for (unsigned i = 0; i < manifest_offer_count; i++) {
        const struct manifest_offer *offer = &manifest_offers[i];
        if (offer->source == take->source && strcmp(offer->name, take->name) == 0) {
            take->from = i;
            return true;
        }
    }
    return false;
}

static bool take_source(const struct reader *reader, struct manifest_take *take)
{
    take->source = MANIFEST_FROM_SERVICE;
    if (strcmp(take->peer, "kernel") == 0)
        take->source = MANIFEST_FROM_KERNEL;
    if (strcmp(take->peer, "init") == 0)
        take->source = MANIFEST_FROM_INIT;
    if (take->source != MANIFEST_FROM_SERVICE && !find_offer(take))
        return manifest_refuse(reader->manifest, reader->line, "%s has no '%s' to give", take->peer,
                               take->name);
    return true;
}

/* take NAME from PEER [as NAME] [RIGHT...] */
static bool line_take(struct reader *reader)
{
    struct manifest *manifest = reader->manifest;
    if (manifest->take_count == MANIFEST_TAKE_MAX)
        return manifest_refuse(manifest, reader->line, "more than %d capabilities taken",
                               MANIFEST_TAKE_MAX);
    struct manifest_take *take = &manifest->take[manifest->take_count];
    *take = (struct manifest_take){ .service = manifest->service_count - 1, .line = reader->line };
    if (reader->word_count < 4 || !word_is(&reader->word[2], "from"))
        return manifest_refuse(manifest, reader->line, "expected take NAME from PEER");
    if (!take_name(reader, &reader->word[1], take->name) ||
        !take_name(reader, &reader->word[3], take->peer) || !take_source(reader, take))
        return false;
    bool as = reader->word_count > 4 && word_is(&reader->word[4], "as");
    if (as && reader->word_count == 5)
        return manifest_refuse(manifest, reader->line, "expected a name after 'as'");
    if (!take_name(reader, &reader->word[as ? 5 : 1], take->as))
        return false;
    enum object_type type =
        take->source == MANIFEST_FROM_SERVICE ? OBJECT_ENDPOINT : manifest_offers[take->from].type;
    if (!take_rights(reader, as ? 6 : 4, type, &take->rights))
        return false;
    manifest->take_count++;
    return true;
}

/* ---- Lines ---- */

struct line_kind {
    const char *word;
    unsigned word_count; /* 0: any */
    bool once;           /* for each service, and needed unless optional */
    bool optional;
    bool (*read)(struct reader *reader);
};

static const struct line_kind kinds[] = {
    { "service", 2, false, true, line_service },
    { "program", 2, true, false, line_program },
    { "memory", 2, true, false, line_memory },
    { "capabilities", 2, true, false, line_capabilities },
    { "threads", 2, true, false, line_threads },
    { "cpu", 2, true, true, line_cpu },
    { "priority", 2, true, false, line_priority },
    { "restart", 2, true, false, line_restart },
    { "serve", 2, false, true, line_serve },
    { "take", 0, false, true, line_take },
};

/* What the service above should have said. */
static bool service_complete(struct manifest *manifest)
{
    if (manifest->service_count == 0)
        return true;
    const struct manifest_service *service = &manifest->service[manifest->service_count - 1];
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!kinds[i].optional && (service->seen & (1u << i)) == 0)
            return manifest_refuse(manifest, service->line, "%s has no line '%s'", service->name,
                                   kinds[i].word);
    }
    return true;
}

static bool line_known(struct reader *reader, unsigned index)
{
    const struct line_kind *kind = &kinds[index];
    struct manifest *manifest = reader->manifest;
    if (kind->word_count != 0 && reader->word_count != kind->word_count)
        return manifest_refuse(manifest, reader->line, "%s takes one word", kind->word);
    if (index == 0)
        return service_complete(manifest) && kind->read(reader);
    if (manifest->service_count == 0)
        return manifest_refuse(manifest, reader->line,
                               "%s belongs to a service, and none has begun", kind->word);
    if (kind->once && (current(reader)->seen & (1u << index)) != 0)
        return manifest_refuse(manifest, reader->line, "a second line '%s' for %s", kind->word,
                               current(reader)->name);
    current(reader)->seen |= 1u << index;
    return kind->read(reader);
}

static bool read_words(struct reader *reader, const char *text, size_t length)
{
    reader->word_count = 0;
    for (size_t at = 0; at < length && text[at] != '#';) {
        size_t start = at;
        while (at < length && text[at] > ' ' && text[at] < 0x7f && text[at] != '#')
            at++;
        if (at > start) {
            if (reader->word_count == MANIFEST_WORD_MAX)
                return manifest_refuse(reader->manifest, reader->line, "more than %d words",
                                       MANIFEST_WORD_MAX);
            reader->word[reader->word_count++] = (struct word){ &text[start], at - start };
        } else if (text[at] == ' ' || text[at] == '\t') {
            at++;
        } else {
            return manifest_refuse(reader->manifest, reader->line,
                                   "the character %#x has no meaning here",
                                   (unsigned)(unsigned char)text[at]);
        }
    }
    return true;
}

static bool read_line(struct reader *reader, const char *text, size_t length)
{
    if (length > MANIFEST_LINE_MAX)
        return manifest_refuse(reader->manifest, reader->line, "a line of more than %d characters",
                               MANIFEST_LINE_MAX);
    if (!read_words(reader, text, length))
        return false;
    if (reader->word_count == 0)
        return true;
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
        if (word_is(&reader->word[0], kinds[i].word))
            return line_known(reader, i);
    }
    return refuse_word(reader, "unknown word", &reader->word[0]);
}

static bool read_all(struct manifest *manifest, const char *text, size_t size_bytes)
{
    struct reader reader = { .manifest = manifest };
    if (size_bytes > MANIFEST_BYTES_MAX)
        return manifest_refuse(manifest, 0, "more than %d bytes", MANIFEST_BYTES_MAX);
    for (size_t at = 0; at < size_bytes;) {
        size_t end = at;
        while (end < size_bytes && text[end] != '\n')
            end++;
        reader.line++;
        if (!read_line(&reader, &text[at], end - at))
            return false;
        at = end + 1;
    }
    if (manifest->service_count == 0)
        return manifest_refuse(manifest, 0, "no services");
    return service_complete(manifest);
}

enum status manifest_read(struct manifest *manifest, const char *text, size_t size_bytes)
{
    memset(manifest, 0, sizeof(*manifest));
    return read_all(manifest, text, size_bytes) && manifest_resolve(manifest) ? OK : ERR_FORMAT;
}
