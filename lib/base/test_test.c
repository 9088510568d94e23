/* The runner tested by itself: names and patterns, and that a failed expectation counts. */
#include <base/string.h>
#include <base/test.h>

TEST(patterns_match_full_and_bare_names)
{
    static const struct {
        const char *pattern;
        bool matches;
    } cases[] = {
        { "all", true },           { "*", true },           { "fmt.pads", true }, { "pads", true },
        { "fmt.*", true },         { "fmt*", true },        { "pa*", true },      { "fmt", false },
        { "fmt.pad", false },      { "fmt.padss", false },  { "ads", false },     { "", false },
        { "lib/base/fmt", false }, { "fmt_test.*", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool matches = test_name_matches(cases[i].pattern, "./lib/base/fmt_test.c", "pads");
        if (!EXPECT_EQ(matches, cases[i].matches))
            test_note("pattern \"%s\"", cases[i].pattern);
    }
    EXPECT(test_name_matches("bench.counter", "kernel/debug/bench.c", "counter"));
}

/* If an expectation could not fail, no test could. */
TEST(a_failed_expectation_counts)
{
    test_note("the next failures are meant to be");
    EXPECT(!test_has_failed());
    EXPECT(1 + 1 == 3);
    bool failed_plain = test_forgive();
    EXPECT_EQ(1, 2);
    bool failed_equal = test_forgive();
    EXPECT_STR("a", "b");
    bool failed_text = test_forgive();
    EXPECT_STR("a", NULL);
    bool failed_null = test_forgive();
    EXPECT(!test_has_failed());
    EXPECT(failed_plain);
    EXPECT(failed_equal);
    EXPECT(failed_text);
    EXPECT(failed_null);
}

TEST(random_numbers_repeat_for_the_same_seed)
{
    uint64_t a = 42;
    uint64_t b = 42;
    uint64_t c = 43;
    for (int i = 0; i < 100; i++)
        EXPECT_EQ(test_random(&a), test_random(&b));
    EXPECT(test_random(&a) != test_random(&c));
}
