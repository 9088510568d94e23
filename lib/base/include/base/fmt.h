/* Formatted text, a subset of printf that the compiler checks:
 *
 *     %c %s %d %i %u %x %X %p %%   lengths hh h l ll z t j   flags - 0 + space #
 *
 * and width and precision, as numbers or `*`.
 *
 * No floating point and no %n. A conversion that is not in the subset appears as it was written, so
 * a mistake is seen and nothing is read that was not passed.
 */
#pragma once

#include <base/compiler.h>
#include <stdarg.h>
#include <stddef.h>

/* Write at most `size_bytes` bytes, the ending 0 included (nothing if it is 0). Returns the length
 * that the whole text has, so a result >= `size_bytes` tells that it was cut.
 */
size_t format_text(char *to, size_t size_bytes, const char *format, ...) PRINTF_LIKE(3, 4);
size_t format_args(char *to, size_t size_bytes, const char *format, va_list args) PRINTF_LIKE(3, 0);
