/* The serial console: whole lines out, characters in (debug flavour only). */
#pragma once

#include <base/compiler.h>
#include <stddef.h>

/* Bytes as they are ("\n" becomes "\r\n" on the wire); one call is not torn by another CPU's. */
void console_write(const char *text, size_t size_bytes);
void console_printf(const char *format, ...) PRINTF_LIKE(1, 2);
/* A panicking CPU owns the console: no lock, no other CPU's output after it. */
void console_seize(void);
