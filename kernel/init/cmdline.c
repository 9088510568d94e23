/* Reading the kernel command line; the words that exist are listed in one table here. */
#include <base/string.h>
#include <kernel/boot_info.h>
#include <kernel/cmdline.h>
#include <kernel/log.h>

#include "cmdline_impl.h"

/* Every word that some part of the kernel asks for. */
static const char *const known_words[] = {
    "bench",  /* PATTERN: run benchmarks */
    "canary", /* fail|leak|hang|panic: what the canary test does */
    "crash",  /* NAME: crash on purpose */
    "exit",   /* emulator: end it after tests and benchmarks */
    "log",    /* error|warn|info|debug: what the console shows */
    "panic",  /* halt|reboot|exit */
    "seed",   /* N: for random tests */
    "stress", /* SECONDS: how long stress tests run */
    "test",   /* PATTERN: run tests */
};

bool cmdline_next(const char **at, const char **word_out, size_t *length_out)
{
    const char *word = *at;
    while (*word == ' ')
        word++;
    const char *end = word;
    while (*end != '\0' && *end != ' ')
        end++;
    *at = end;
    *word_out = word;
    *length_out = (size_t)(end - word);
    return end != word;
}

/* True if the word is `name` alone or followed by "=". */
static bool word_is(const char *word, size_t length, const char *name)
{
    size_t name_length = strlen(name);
    return length >= name_length && strncmp(word, name, name_length) == 0 &&
           (length == name_length || word[name_length] == '=');
}

const char *cmdline_find(const char *cmdline, const char *name, size_t *length_out)
{
    const char *word;
    size_t length;
    while (cmdline_next(&cmdline, &word, &length)) {
        if (!word_is(word, length, name))
            continue;
        size_t skip = MIN(strlen(name) + 1, length); /* the "=" too, if there is one */
        *length_out = length - skip;
        return word + skip;
    }
    return NULL;
}

bool cmdline_known(const char *word, size_t length)
{
    for (size_t i = 0; i < ARRAY_LEN(known_words); i++) {
        if (word_is(word, length, known_words[i]))
            return true;
    }
    return false;
}

bool cmdline_has(const char *name)
{
    size_t length;
    return cmdline_find(boot_info.cmdline, name, &length) != NULL;
}

enum status cmdline_value(const char *name, char *value, size_t size_bytes)
{
    size_t length;
    const char *text = cmdline_find(boot_info.cmdline, name, &length);
    if (text == NULL)
        return ERR_NOT_FOUND;
    if (length >= size_bytes)
        return ERR_RANGE;
    memcpy(value, text, length);
    value[length] = '\0';
    return OK;
}

void cmdline_report_unknown(void)
{
    const char *at = boot_info.cmdline;
    const char *word;
    size_t length;
    while (cmdline_next(&at, &word, &length)) {
        if (!cmdline_known(word, length))
            log_warn("command line: unknown word \"%.*s\"", (int)length, word);
    }
}
