/* limine.conf, version 8 of the format (CONFIG.md of Limine 8.2), as far as it concerns a loader
 * without a menu: the default entry, with the limine protocol.
 *
 * One option is our own, and unknown to (so ignored by) Limine itself: `module_sha256: HEX`, which
 * belongs to the module_path line before it.
 */
#pragma once

#include <base/status.h>
#include <digest/sha256.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_MODULE_MAX = 16 };

struct config_module {
    const char *path; /* as in the file: boot():/name */
    const char *cmdline;
    bool digest_present;
    uint8_t digest[SHA256_BYTES];
};

struct config {
    const char *protocol; /* never NULL in a parsed configuration, nor is kernel_path or cmdline */
    const char *kernel_path;
    const char *cmdline;
    bool five_level_only; /* min_paging_mode or paging_mode wants more than we have */
    size_t module_count;
    struct config_module module[CONFIG_MODULE_MAX];
};

struct config_problem {
    unsigned line; /* 0: the file as a whole */
    const char *text;
};

/* How much room config_parse() wants for a file of this size. */
#define CONFIG_WORK_BYTES(size_bytes) ((size_bytes)*4 + 1)
#define CONFIG_FILE_MAX               65536

/* `arch` is the value of the macro ARCH. The strings of `config_out` lie in `work`. On failure
 * ERR_FORMAT and the problem.
 */
enum status config_parse(const char *text, size_t size_bytes, const char *arch, char *work,
                         struct config *config_out, struct config_problem *problem_out);

/* Split `boot():/path`: writes the path's beginning, the leading slash included. `hash_out` is the
 * text behind '#', or NULL. ERR_FORMAT if it is no such path, ERR_UNSUPPORTED for another volume.
 * Cuts the string at the '#'.
 */
enum status config_split_path(char *uri, const char **path_out, const char **hash_out);

/* Exactly `size_bytes` bytes in hexadecimal. */
bool config_parse_hex(const char *text, uint8_t *bytes_out, size_t size_bytes);
