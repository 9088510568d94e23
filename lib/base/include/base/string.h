/* Memory and text, as the C library has them: the compiler calls the first four by itself. */
#pragma once

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size_bytes);
void *memmove(void *to, const void *from, size_t size_bytes);
void *memset(void *to, int byte, size_t size_bytes);
int memcmp(const void *a, const void *b, size_t size_bytes);

size_t strlen(const char *text);
/* The length, but at most `max`: for text that may lack its end. */
size_t strnlen(const char *text, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);
char *strchr(const char *text, int c);

/* Copy with an end, cut to fit; returns the length of `from`, so a result >= `size_bytes` tells
 * that it was cut. `to` has room for at least one byte, unless `size_bytes` is 0.
 */
size_t strlcpy(char *restrict to, const char *restrict from, size_t size_bytes);
