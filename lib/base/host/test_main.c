/* The host unit binary: runs the tests that were linked into it.
 *
 *     unit [PATTERN...]      default: all
 *     unit --list
 *
 * SEED=n in the environment repeats random tests.
 */
#include <base/test.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void print(const char *text, size_t size_bytes)
{
    fwrite(text, 1, size_bytes, stdout);
    fflush(stdout); /* a test that crashes must not take earlier verdicts with it */
}

static uint64_t seed_from_environment(void)
{
    const char *text = getenv("SEED");
    if (text == NULL)
        return 0;
    char *end;
    errno = 0;
    uint64_t seed = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || seed == 0) {
        fprintf(stderr, "SEED=%s is not a positive number\n", text);
        exit(2);
    }
    return seed;
}

int main(int argc, char **argv)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    const struct test_hooks hooks = {
        .print = print,
        .seed = seed_from_environment(),
        .entropy = (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec,
    };
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        test_list(&hooks);
        return 0;
    }
    if (argc < 2)
        return test_run_matching(&hooks, "all") == 0 ? 0 : 1;
    int failures = 0;
    for (int i = 1; i < argc; i++)
        failures |= test_run_matching(&hooks, argv[i]);
    return failures == 0 ? 0 : 1;
}
