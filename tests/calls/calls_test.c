/* Random system calls agree with the model, on the host. */
#include "calls.h"
#include <kernel/test.h>

enum { WORLDS = 12, CALLS = 400 };

HOST_TEST(random_calls_agree_with_the_model)
{
    uint64_t random = test_seed();
    static uint32_t seeds[CALLS];

    for (unsigned world = 0; world < WORLDS && !test_has_failed(); world++) {
        for (unsigned i = 0; i < CALLS; i++)
            seeds[i] = (uint32_t)test_random(&random);
        calls_run(seeds, CALLS);
    }
}
