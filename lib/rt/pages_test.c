#include <base/string.h>
#include <base/test.h>
#include <rt/pages.h>

enum { COUNT = 256 };

struct fixture {
    uint64_t word[COUNT / 64];
    struct pages pages;
};

static void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->pages = (struct pages){ .word = f->word, .count = COUNT };
}

TEST(what_is_taken_is_not_given_twice)
{
    struct fixture f;
    size_t first;
    fixture_init(&f);
    for (size_t i = 0; i < COUNT / 8; i++) {
        EXPECT(pages_take(&f.pages, 8, &first));
        EXPECT_EQ(first, i * 8);
    }
    EXPECT(!pages_take(&f.pages, 1, &first));
    pages_set(&f.pages, 100, 3, false);
    EXPECT(!pages_take(&f.pages, 4, &first));
    EXPECT(pages_take(&f.pages, 2, &first));
    EXPECT_EQ(first, 100);
    EXPECT(pages_take(&f.pages, 1, &first));
    EXPECT_EQ(first, 102);
    EXPECT(!pages_take(&f.pages, 1, &first));
}

TEST(nothing_and_too_much_are_refused)
{
    struct fixture f;
    size_t first;
    fixture_init(&f);
    EXPECT(!pages_take(&f.pages, 0, &first));
    EXPECT(!pages_take(&f.pages, COUNT + 1, &first));
    EXPECT(!pages_take(&f.pages, SIZE_MAX, &first));
    EXPECT(pages_take(&f.pages, COUNT, &first));
}

/* Against an array of bytes. */
TEST(random_taking_and_giving_agrees_with_a_slow_model)
{
    struct fixture f;
    bool model[COUNT] = { 0 };
    fixture_init(&f);
    uint64_t state = test_seed();
    for (unsigned step = 0; step < 20000; step++) {
        size_t first = (size_t)test_random(&state) % COUNT;
        size_t count = 1 + (size_t)test_random(&state) % 80;
        if (step % 2 == 0) {
            count = count < COUNT - first ? count : COUNT - first;
            pages_set(&f.pages, first, count, false);
            memset(model + first, 0, count);
            continue;
        }
        size_t run = 0;
        size_t expected = 0;
        for (; expected < COUNT && run < count; expected++)
            run = model[expected] ? 0 : run + 1;
        bool taken = pages_take(&f.pages, count, &first);
        EXPECT_EQ(taken, run == count);
        if (!taken)
            continue;
        EXPECT_EQ(first, expected - count);
        memset(model + first, 1, count);
        for (size_t i = 0; i < COUNT; i++)
            REQUIRE(pages_get(&f.pages, i) == model[i]);
        size_t at = (size_t)test_random(&state) % COUNT;
        size_t length = 1;
        while (at + length < COUNT && model[at + length] == model[at])
            length++;
        EXPECT_EQ(pages_run(&f.pages, at, COUNT), length);
    }
}
