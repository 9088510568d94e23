/* Benchmarks: registered like tests, run by the kernel's `bench=` (kernel/debug/bench.c). A
 * benchmark measures and calls bench_report once for each figure.
 */
#pragma once

#include <base/test.h>

struct bench_case {
    const char *name;
    const char *file;
    void (*run)(void);
};

#define BENCH(name) TEST_REGISTER_IN("bench_cases", bench, name)

/* One line: "bench NAME VALUE UNIT". */
void bench_report(const char *name, const char *unit, uint64_t value);
