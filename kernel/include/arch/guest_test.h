/* What the tests of guests know of an architecture's instructions and registers. */
#pragma once

#include <arch_impl/guest_test.h>
