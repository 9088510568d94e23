/* The kernel command line: words, `name` or `name=value`, separated by spaces. */
#pragma once

#include <base/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if `name` or `name=...` is there. */
bool cmdline_has(const char *name);
/* Copy the value. ERR_NOT_FOUND if absent, ERR_RANGE if it does not fit. */
enum status cmdline_value(const char *name, char *value, size_t size_bytes);
enum status cmdline_number(const char *name, uint64_t *value_out);
/* Log each word that no part of the kernel knows: a typing error is never silent. */
void cmdline_report_unknown(void);

/* A whole text of `length` characters as a decimal or 0x number: ERR_FORMAT, or ERR_RANGE above 64
 * bits. */
enum status cmdline_parse_number(const char *text, size_t length, uint64_t *value_out);
