/* Between the reader of lines (read.c) and what only the whole shows (resolve.c). */
#pragma once

#include <manifest/manifest.h>

/* The first message wins. Always false. */
bool manifest_refuse(struct manifest *manifest, unsigned line, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Peers, offers, rights, order. */
bool manifest_resolve(struct manifest *manifest);
