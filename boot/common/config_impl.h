/* Between the two halves of the configuration's parser. */
#pragma once

#include <boot/config.h>

/* Copy the text with its macros replaced into `work`, ended by 0; lines keep their numbers. */
enum status config_expand(const char *text, size_t size_bytes, const char *arch, char *work,
                          size_t *length_out);
