/* Which mutant lives, and which tests come by it (tests/mutate). On the host the environment says
 * so, in the guest the command line: MUTANT=n or mutant=n, ONLY= or only=1,5,7 for tests by number.
 */
#if defined(CONFIG_TESTS) || defined(CONFIG_HOST)
#include <base/fmt.h>
#include <base/string.h>
#include <kernel/boot_info.h>
#include <kernel/cmdline.h>
#include <kernel/mutant.h>
#include <kernel/test.h>

#ifdef CONFIG_HOST
#include <stdlib.h>
#else
#include "cmdline_impl.h"
#endif

enum { PER_LINE = 30, TESTS_MAX = 2048 };

unsigned mutant_chosen;
unsigned char mutant_reached[MUTANTS_MAX];
static bool all_wanted = true;
static bool wanted[TESTS_MAX];

static const char *word(const char *name)
{
#ifdef CONFIG_HOST
    return getenv(strcmp(name, "only") == 0 ? "ONLY" : "MUTANT");
#else
    size_t length;
    return cmdline_find(boot_info.cmdline, name, &length);
#endif
}

static unsigned number_at(const char **at)
{
    unsigned number = 0;

    for (; **at >= '0' && **at <= '9'; (*at)++)
        number = number * 10 + (unsigned)(**at - '0');
    return number;
}

void mutant_begin(void)
{
    const char *at = word("mutant");

    if (at != NULL)
        mutant_chosen = number_at(&at);
    at = word("only");
    all_wanted = at == NULL;
    while (!all_wanted && *at >= '0' && *at <= '9') {
        unsigned number = number_at(&at);
        if (number < TESTS_MAX)
            wanted[number] = true;
        if (*at == ',')
            at++;
    }
}

bool mutant_test_wanted(unsigned number)
{
    return all_wanted || (number < TESTS_MAX && wanted[number]);
}

void mutant_report(void)
{
    char line[256];
    size_t length = 0;
    unsigned count = 0;

    for (unsigned i = 1; i < MUTANTS_MAX && mutant_chosen == 0; i++) {
        if (mutant_reached[i] == 0)
            continue;
        mutant_reached[i] = 0;
        length += format_text(line + length, sizeof(line) - length, " %u", i);
        if (++count % PER_LINE == 0) {
            test_note("reached%s", line);
            length = 0;
        }
    }
    if (length > 0)
        test_note("reached%s", line);
}
#endif
