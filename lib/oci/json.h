/* JSON of strangers: bounded before it is parsed, and only asked for what it has. */
#pragma once

#include <oci/error.h>
#include <stdbool.h>
#include <stdint.h>

struct cJSON; /* <cJSON.h> */

enum {
    JSON_BYTES_MAX = 4 << 20, /* as registries have it */
    JSON_DEPTH_MAX = 32,
    JSON_VALUE_MAX = 1 << 17, /* values and names */
};

/* Refused: text that is too long, nested too deeply or of too many values, that has escaped zero
 * bytes (they would cut texts short), and what is no JSON. */
enum status json_parse(const char *text, size_t size_bytes, struct oci_error *error,
                       struct cJSON **json_out);

/* The member of an object; NULL if it is not there, or null. Where it comes twice, a reader may
 * take either, so that is refused: *twice is set. */
const struct cJSON *json_member(const struct cJSON *object, const char *name, bool *twice);
/* Its text, number or nothing if it is something else. */
const char *json_text(const struct cJSON *value);
bool json_size(const struct cJSON *value, uint64_t *size_out);
