/* What the tests of guests know of an architecture's instructions and registers. */
#pragma once

#ifdef CONFIG_TESTS
#include <arch_impl/guest_test.h>
#endif
