/* The part of the test runner that host and guest share: selection, verdicts, TAP version 14. */
#if defined(CONFIG_TESTS) || defined(CONFIG_HOST) || __STDC_HOSTED__
#include <base/fmt.h>
#include <base/string.h>
#include <base/test.h>

extern const struct test_case *const __start_test_cases[];
extern const struct test_case *const __stop_test_cases[];

enum { NOTE_MAX = 320 };

static const struct test_hooks *test_hooks;
static bool test_failed;
static const char *test_skip_reason;

PRINTF_LIKE(1, 0) static void test_print_args(const char *format, va_list args)
{
    char text[NOTE_MAX];
    size_t length = format_args(text, sizeof(text), format, args);
    if (length >= sizeof(text)) {
        length = sizeof(text) - 1;
        text[length - 1] = '\n';
    }
    test_hooks->print(text, length);
}

PRINTF_LIKE(1, 2) static void test_print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    test_print_args(format, args);
    va_end(args);
}

void test_note(const char *format, ...)
{
    char text[NOTE_MAX - 8];
    va_list args;
    va_start(args, format);
    format_args(text, sizeof(text), format, args);
    va_end(args);
    test_print("# %s\n", text);
}

void test_fail(const char *file, int line, const char *expression)
{
    test_failed = true;
    test_print("# %s:%d: failed: %s\n", file, line, expression);
}

bool test_equal(const char *file, int line, const char *expression, uint64_t a, uint64_t b)
{
    if (a == b)
        return true;
    test_fail(file, line, expression);
    test_print("#   left:  %lld (0x%llx)\n", (long long)a, (unsigned long long)a);
    test_print("#   right: %lld (0x%llx)\n", (long long)b, (unsigned long long)b);
    return false;
}

bool test_equal_text(const char *file, int line, const char *expression, const char *a,
                     const char *b)
{
    if (a == b || (a != NULL && b != NULL && strcmp(a, b) == 0))
        return true;
    test_fail(file, line, expression);
    test_print("#   left:  \"%s\"\n", a != NULL ? a : "(null)");
    test_print("#   right: \"%s\"\n", b != NULL ? b : "(null)");
    return false;
}

void test_skip(const char *reason)
{
    test_skip_reason = reason;
}

bool test_has_failed(void)
{
    return test_failed;
}

bool test_forgive(void)
{
    bool failed = test_failed;
    test_failed = false;
    return failed;
}

uint64_t test_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dULL;
}

uint64_t test_seed(void)
{
    uint64_t seed = test_hooks->seed;
    if (seed == 0)
        seed = test_hooks->entropy | 1;
    test_note("seed %llu", (unsigned long long)seed);
    return seed;
}

/* Where the last part of a path begins, and its length without "_test.c" or ".c". */
static size_t file_stem(const char *file, const char **stem_out)
{
    const char *stem = file;
    for (const char *at = file; *at != '\0'; at++) {
        if (*at == '/')
            stem = at + 1;
    }
    size_t length = strlen(stem);
    static const char *const endings[] = { ".c", "_test", "_bench" };
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        size_t cut = strlen(endings[i]);
        if (length > cut && strncmp(stem + length - cut, endings[i], cut) == 0)
            length -= cut;
    }
    *stem_out = stem;
    return length;
}

static bool pattern_matches(const char *pattern, const char *text)
{
    size_t length = strlen(pattern);
    if (length > 0 && pattern[length - 1] == '*')
        return strncmp(pattern, text, length - 1) == 0;
    return strcmp(pattern, text) == 0;
}

static void full_name(char *to, size_t size_bytes, const char *file, const char *name)
{
    const char *stem;
    size_t length = file_stem(file, &stem);
    format_text(to, size_bytes, "%.*s.%s", (int)length, stem, name);
}

bool test_name_matches(const char *pattern, const char *file, const char *name)
{
    char full[128];
    full_name(full, sizeof(full), file, name);
    return strcmp(pattern, "all") == 0 || pattern_matches(pattern, full) ||
           pattern_matches(pattern, name);
}

/* Returns true unless it failed. */
static bool test_run_one(const struct test_case *test, unsigned number)
{
    char name[128];
    full_name(name, sizeof(name), test->file, test->name);
    test_failed = false;
    test_skip_reason = NULL;
    if (test_hooks->before != NULL)
        test_hooks->before();
    test->run();
    if (test_hooks->after != NULL)
        test_hooks->after();
    test_print("%s %u - %s%s%s\n", test_failed ? "not ok" : "ok", number, name,
               test_skip_reason != NULL ? " # SKIP " : "",
               test_skip_reason != NULL ? test_skip_reason : "");
    return !test_failed;
}

#define FOR_EACH_TEST(at)                                                                          \
    for (const struct test_case *const *at = __start_test_cases; at < __stop_test_cases; at++)

int test_run_matching(const struct test_hooks *hooks, const char *pattern)
{
    unsigned planned = 0;
    FOR_EACH_TEST(at)
    planned += test_name_matches(pattern, (*at)->file, (*at)->name);
    test_hooks = hooks;
    test_print("TAP version 14\n1..%u\n", planned);
    if (planned == 0) {
        test_print("# no test matches %s\n", pattern);
        return -1;
    }

    unsigned number = 0;
    int failures = 0;
    FOR_EACH_TEST(at)
    {
        if (test_name_matches(pattern, (*at)->file, (*at)->name))
            failures += !test_run_one(*at, ++number);
    }
    test_print("# %u passed, %d failed\n", planned - (unsigned)failures, failures);
    return failures;
}

void test_list(const struct test_hooks *hooks)
{
    test_hooks = hooks;
    FOR_EACH_TEST(at)
    {
        char name[128];
        full_name(name, sizeof(name), (*at)->file, (*at)->name);
        test_print("%s\n", name);
    }
}
#endif
