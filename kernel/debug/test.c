/* The guest's test runner: what the shared part (lib/base/test.c) cannot know. Each test is
 * bracketed by a comparison of what is in use, and a leak fails the test by name.
 *
 * Frames are counted as free ones plus those that slabs hold: where a free object waits (in a
 * magazine of some CPU or in its slab) is not the test's doing.
 */
#ifdef CONFIG_TESTS
#include <arch/power.h>
#include <base/fmt.h>
#include <base/string.h>
#include <kernel/boot_info.h>
#include <kernel/cmdline.h>
#include <kernel/console.h>
#include <kernel/coroutine.h>
#include <kernel/frame.h>
#include <kernel/grace.h>
#include <kernel/log.h>
#include <kernel/slab.h>
#include <kernel/test.h>
#include <kernel/thread.h>
#include <kernel/timer.h>

enum { STOCK_SLAB_MAX = 48, PATTERN_MAX = 128 };

/* A thread that was killed on another CPU leaves it at that CPU's next kernel exit. */
#define SETTLE_NS ((uint64_t)2 * 1000 * 1000 * 1000)

struct stock_slab {
    const char *name;
    uint64_t used;
};

struct stock {
    uint64_t frames;
    uint64_t threads;
    size_t slab_count;
    struct stock_slab slab[STOCK_SLAB_MAX];
};

static struct stock stock_before;
static struct stock stock_after;

static void stock_add_slab(const struct slab_cache *cache, void *context)
{
    struct stock *stock = context;
    stock->frames += READ_ONCE(cache->slab_count) << cache->slab_order;
    if (stock->slab_count == STOCK_SLAB_MAX)
        return;
    struct stock_slab *slab = &stock->slab[stock->slab_count++];
    slab->name = cache->name;
    slab->used = READ_ONCE(cache->used_count);
}

static void stock_take(struct stock *stock)
{
    slab_drain_all();
    frame_cache_drain();
    stock->slab_count = 0;
    stock->threads = thread_count();
    stock->frames = frame_stats().free;
    slab_for_each(stock_add_slab, stock);
}

/* A cache that a test was the first to use is new: it had nothing in use before. */
static uint64_t stock_slab_used(const struct stock *stock, const char *name)
{
    for (size_t i = 0; i < stock->slab_count; i++) {
        if (strcmp(stock->slab[i].name, name) == 0)
            return stock->slab[i].used;
    }
    return 0;
}

static bool stock_settled(void *unused)
{
    (void)unused;
    (void)grace_request();
    stock_take(&stock_after);
    if (stock_after.frames != stock_before.frames || stock_after.threads != stock_before.threads)
        return false;
    for (size_t i = 0; i < stock_after.slab_count; i++) {
        const struct stock_slab *slab = &stock_after.slab[i];
        if (slab->used != stock_slab_used(&stock_before, slab->name))
            return false;
    }
    return true;
}

static void expect_same(const char *name, uint64_t before, uint64_t after)
{
    char text[96];
    if (before == after)
        return;
    format_text(text, sizeof(text), "%s in use as before: %+lld", name,
                (long long)(after - before));
    test_fail(__FILE__, __LINE__, text);
}

static void take_stock_before(void)
{
    stock_take(&stock_before);
}

static void compare_stock_after(void)
{
    if (stock_settled(NULL))
        return;
    if (coroutine_active() && coroutine_wait(stock_settled, NULL, clock_now_ns() + SETTLE_NS) == OK)
        return;
    /* Frames count down as they are used. */
    expect_same("frames", stock_after.frames, stock_before.frames);
    expect_same("threads", stock_before.threads, stock_after.threads);
    for (size_t i = 0; i < stock_after.slab_count; i++) {
        const struct stock_slab *slab = &stock_after.slab[i];
        expect_same(slab->name, stock_slab_used(&stock_before, slab->name), slab->used);
    }
}

static struct test_hooks make_hooks(void)
{
    struct test_hooks hooks = {
        .print = console_write,
        .before = take_stock_before,
        .after = compare_stock_after,
        .entropy = (uint64_t)boot_info.boot_time_s * 1000003 + clock_now_ns(),
    };
    if (cmdline_number("seed", &hooks.seed) != OK)
        hooks.seed = 0;
    return hooks;
}

int test_run(const char *pattern)
{
    struct test_hooks hooks = make_hooks();
    return test_run_matching(&hooks, pattern);
}

/* Run what the word asks for; true if that went well. A word without a pattern means all. */
static bool run_word(const char *word, bool (*run)(const char *pattern))
{
    char pattern[PATTERN_MAX];
    if (!cmdline_has(word))
        return true;
    if (cmdline_value(word, pattern, sizeof(pattern)) != OK) {
        log_error("%s=: the pattern is too long", word);
        return false;
    }
    return run(pattern[0] == '\0' ? "all" : pattern);
}

static bool run_tests(const char *pattern)
{
    return test_run(pattern) == 0;
}

static bool run_benchmarks(const char *pattern)
{
    return bench_run(pattern) > 0;
}

static void test_main(void *unused)
{
    (void)unused;
    bool good = run_word("test", run_tests);
    good &= run_word("bench", run_benchmarks);
    char exit[16];
    if (cmdline_value("exit", exit, sizeof(exit)) == OK && strcmp(exit, "emulator") == 0)
        arch_exit_emulator(good ? 0 : 1);
    if (good)
        log_info("tests: passed");
    else
        log_error("tests: failed");
}

bool test_start(void)
{
    if (!cmdline_has("test") && !cmdline_has("bench"))
        return false;
    enum status status = coroutine_start(test_main, NULL);
    if (status != OK)
        log_error("tests: %s", status_text(status));
    return true;
}
#endif
