/* System calls from a fuzzer: each four bytes of the input are one, so that whole calls are left
 * out, repeated and exchanged. What differs from the model is a crash.
 */
#include "calls.h"
#include <kernel/test.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALLS_MAX = 400, TEXT_MAX = 16384 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t seeds[CALLS_MAX];
static size_t seed_count;
static char text[TEXT_MAX];
static size_t text_size;

TEST(input)
{
    calls_run(seeds, seed_count);
}

/* Kept for the case that it says why. */
static void print(const char *bytes, size_t size_bytes)
{
    if (size_bytes > TEXT_MAX - text_size)
        return;
    memcpy(text + text_size, bytes, size_bytes);
    text_size += size_bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct test_hooks hooks = { .print = print, .seed = 1 };

    seed_count = size / sizeof(seeds[0]);
    if (seed_count > CALLS_MAX)
        seed_count = CALLS_MAX;
    if (seed_count > 0)
        memcpy(seeds, data, seed_count * sizeof(seeds[0]));
    text_size = 0;
    if (test_run_matching(&hooks, "all") == 0)
        return 0;
    fwrite(text, 1, text_size, stderr);
    abort();
}
