/* The result of anything that can fail. The codes and their texts stand in abi/errors.def. */
#pragma once

#include <base/compiler.h>

#define ERROR(name, value, text) ERR_##name = (value),
enum MUST_USE status {
    OK = 0,
#include <errors.def>
};
#undef ERROR

/* The text of a code; never NULL, also for a number that is no code. */
const char *status_text(enum status status);
