/* Runs the benchmarks that were linked in. Each reports in lines of its own. */
#ifdef CONFIG_TESTS
#include <arch/timer.h>
#include <base/bench.h>
#include <kernel/console.h>
#include <kernel/test.h>

extern const struct bench_case *const __start_bench_cases[];
extern const struct bench_case *const __stop_bench_cases[];

void bench_report(const char *name, const char *unit, uint64_t value)
{
    console_printf("bench %s %llu %s\n", name, (unsigned long long)value, unit);
}

unsigned bench_run(const char *pattern)
{
    unsigned count = 0;
    for (const struct bench_case *const *at = __start_bench_cases; at < __stop_bench_cases; at++) {
        if (!test_name_matches(pattern, (*at)->file, (*at)->name))
            continue;
        (*at)->run();
        count++;
    }
    console_printf("bench: %u run\n", count);
    return count;
}

/* What reading the counter itself costs: every other figure contains it once. */
BENCH(counter)
{
    uint64_t start = arch_cycle_count();
    uint64_t end = arch_cycle_count();
    bench_report("counter", "count", end - start);
}
#endif
