/* What a mutated source calls: is this the mutant that was asked for? Only in the copy of the tree
 * that tests/mutate/run makes.
 */
#pragma once

#include <base/compiler.h>
#include <stdbool.h>

enum { MUTANTS_MAX = 1 << 14 };

extern unsigned mutant_chosen;
extern unsigned char mutant_reached[MUTANTS_MAX];

/* Called where the mutant makes a difference: it is noted that a test came here. */
static inline bool mutant(unsigned number)
{
    WRITE_ONCE(mutant_reached[number], 1);
    return UNLIKELY(number == READ_ONCE(mutant_chosen));
}

/* For the test runner of the copy. */
void mutant_begin(void);
bool mutant_test_wanted(unsigned number);
void mutant_report(void);
