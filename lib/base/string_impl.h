/* Host builds keep the C library's functions, which sanitizers watch; ours are tested there under
 * other names (strlcpy apart, which not every C library has). Include this instead of
 * <base/string.h> in string.c and its test, after everything else.
 */
#pragma once

#if defined(CONFIG_HOST) || __STDC_HOSTED__
#define memcpy  base_memcpy
#define memmove base_memmove
#define memset  base_memset
#define memcmp  base_memcmp
#define strlen  base_strlen
#define strnlen base_strnlen
#define strcmp  base_strcmp
#define strncmp base_strncmp
#define strchr  base_strchr
#endif

#include <base/string.h>
