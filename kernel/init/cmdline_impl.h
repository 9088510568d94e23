/* The same as <kernel/cmdline.h>, for any text. */
#pragma once

#include <kernel/cmdline.h>
#include <stdbool.h>
#include <stddef.h>

/* The value of the first word `name` or `name=value`: NULL if there is none, else its start and
 * length (0 for a word without "=").
 */
const char *cmdline_find(const char *cmdline, const char *name, size_t *length_out);
/* The next word at or after *at, which moves behind it; false at the end. */
bool cmdline_next(const char **at, const char **word_out, size_t *length_out);
bool cmdline_known(const char *word, size_t length);
