/* Tests: registered where they are written, run unchanged on the host and in the guest.
 *
 *     TEST(name)        runs in both places
 *     GUEST_TEST(name)  needs the real kernel: left out of host builds
 *     HOST_TEST(name)   needs a Unix process: left out of the guest
 *
 * A build is a host build if the compiler is hosted or CONFIG_HOST is defined. A left-out test is
 * still compiled, so it cannot rot, but it is dropped as an unused static function.
 *
 * The full name of a test is its file without folder and "_test.c", a dot, and its name:
 * TEST(pads) in lib/base/fmt_test.c is `fmt.pads`. Patterns match the full name or the bare one,
 * with an optional `*` at the end; `all` and `*` match everything.
 *
 * EXPECT prints a diagnostic, marks the test as failed, and goes on: a table of cases shows all
 * that is wrong with it. REQUIRE also returns from the test, for what the next line depends on.
 * Both belong to the test that is running, whatever function they are used in (REQUIRE only in one
 * that returns void).
 */
#pragma once

#include <base/compiler.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct test_case {
    const char *name;
    const char *file;
    void (*run)(void);
};

#define TEST_REGISTER_IN(section_name, kind, case_name)                                            \
    static void kind##_##case_name(void);                                                          \
    static const struct kind##_case kind##_case_##case_name = { #case_name, __FILE__,              \
                                                                kind##_##case_name };              \
    static const struct kind##_case *const kind##_entry_##case_name SECTION(section_name)          \
        __attribute__((used, retain)) = &kind##_case_##case_name;                                  \
    static void kind##_##case_name(void)

#define TEST(name)          TEST_REGISTER_IN("test_cases", test, name)
#define TEST_LEFT_OUT(name) static UNUSED void test_##name(void)

#if defined(CONFIG_HOST) || __STDC_HOSTED__
#define HOST_TEST(name)  TEST(name)
#define GUEST_TEST(name) TEST_LEFT_OUT(name)
#else
#define HOST_TEST(name)  TEST_LEFT_OUT(name)
#define GUEST_TEST(name) TEST(name)
#endif

#define EXPECT(x) ((void)((x) || (test_fail(__FILE__, __LINE__, #x), false)))
#define REQUIRE(x)                                                                                 \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            test_fail(__FILE__, __LINE__, #x);                                                     \
            return;                                                                                \
        }                                                                                          \
    } while (0)

/* Integers, enums or pointers; each is evaluated once and compared after conversion to 64 bits. */
#define TEST_WORD(x)    ((uint64_t)(uintptr_t)(x))
#define EXPECT_EQ(a, b) test_equal(__FILE__, __LINE__, #a " == " #b, TEST_WORD(a), TEST_WORD(b))
/* Strings; NULL equals NULL only. */
#define EXPECT_STR(a, b) test_equal_text(__FILE__, __LINE__, #a " == " #b, (a), (b))

/* The test cannot run here: says so in the report and returns. */
#define SKIP(reason)                                                                               \
    do {                                                                                           \
        test_skip(reason);                                                                         \
        return;                                                                                    \
    } while (0)

void test_fail(const char *file, int line, const char *expression);
bool test_equal(const char *file, int line, const char *expression, uint64_t a, uint64_t b);
bool test_equal_text(const char *file, int line, const char *expression, const char *a,
                     const char *b);
void test_skip(const char *reason);
/* True if the running test has failed so far. */
bool test_has_failed(void);
/* Forget the failures so far; true if there were any. Only for tests of the runner itself. */
bool test_forgive(void);

/* A diagnostic line of the running test ("# ..."). */
void test_note(const char *format, ...) PRINTF_LIKE(1, 2);

/* Random tests: a seed that is printed (`SEED=n` in the environment or `seed=n` on the kernel's
 * command line repeats it), and a generator (xorshift64*).
 */
uint64_t test_seed(void);
uint64_t test_random(uint64_t *state);

/* What the place where tests run provides. */
struct test_hooks {
    void (*print)(const char *text, size_t size_bytes);
    /* Bracket each test: take stock before; compare after and test_fail on a difference. May be
     * NULL. */
    void (*before)(void);
    void (*after)(void);
    uint64_t seed; /* 0: choose one from `entropy` */
    uint64_t entropy;
};

/* Run what matches and report TAP. Returns the number of failures, or -1 if nothing matched. */
int test_run_matching(const struct test_hooks *hooks, const char *pattern);
/* Print the full name of every test that is linked in, one a line. */
void test_list(const struct test_hooks *hooks);
/* True if `pattern` matches the test or benchmark `name` of `file`. */
bool test_name_matches(const char *pattern, const char *file, const char *name);
