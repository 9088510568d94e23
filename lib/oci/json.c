#include "json.h"

#include <cJSON.h>
#include <oci/source.h>
#include <string.h>

/* Depth and values, without understanding more than where texts end. */
struct scan {
    unsigned depth, depth_max;
    unsigned values;
    bool in_text;
    bool zero; /* an escaped one */
};

static size_t scan_text(struct scan *scan, const char *text, size_t left)
{
    if (text[0] == '"')
        scan->in_text = false;
    if (text[0] != '\\' || left < 2)
        return 1;
    if (left >= 6 && memcmp(text, "\\u0000", 6) == 0)
        scan->zero = true;
    return 2;
}

static size_t scan_step(struct scan *scan, const char *text, size_t left)
{
    if (scan->in_text)
        return scan_text(scan, text, left);
    switch (text[0]) {
    case '"':
        scan->in_text = true;
        break;
    case '{':
    case '[':
        scan->values++;
        scan->depth++;
        break;
    case '}':
    case ']':
        scan->depth -= scan->depth != 0;
        break;
    case ',':
        scan->values++;
        break;
    default:
        break;
    }
    if (scan->depth > scan->depth_max)
        scan->depth_max = scan->depth;
    return 1;
}

enum status json_parse(const char *text, size_t size_bytes, struct oci_error *error,
                       cJSON **json_out)
{
    cJSON_Hooks hooks = { .malloc_fn = oci_alloc, .free_fn = oci_free };
    struct scan scan = { 0 };
    const char *end = NULL;
    if (size_bytes > JSON_BYTES_MAX)
        return oci_fail(error, ERR_LIMIT, "JSON of more than 4 MiB");
    for (size_t at = 0; at < size_bytes;)
        at += scan_step(&scan, text + at, size_bytes - at);
    if (scan.depth_max > JSON_DEPTH_MAX || scan.values > JSON_VALUE_MAX)
        return oci_fail(error, ERR_LIMIT, "JSON that is nested too deeply, or of too many values");
    if (scan.zero || memchr(text, '\0', size_bytes) != NULL)
        return oci_fail(error, ERR_FORMAT, "JSON with a zero byte in a text");
    cJSON_InitHooks(&hooks);
    cJSON *json = cJSON_ParseWithLengthOpts(text, size_bytes, &end, 0);
    if (json == NULL)
        return oci_fail(error, ERR_FORMAT, "it is no JSON, or there is no memory for it");
    for (; end < text + size_bytes; end++) {
        if (strchr(" \t\r\n", *end) == NULL) {
            cJSON_Delete(json);
            return oci_fail(error, ERR_FORMAT, "something follows its JSON");
        }
    }
    *json_out = json;
    return OK;
}

const cJSON *json_member(const cJSON *object, const char *name, bool *twice)
{
    const cJSON *found = NULL;
    const cJSON *member;
    if (!cJSON_IsObject(object))
        return NULL;
    cJSON_ArrayForEach(member, object)
    {
        if (strcmp(member->string, name) != 0)
            continue;
        *twice = *twice || found != NULL;
        found = member;
    }
    return cJSON_IsNull(found) ? NULL : found;
}

const char *json_text(const cJSON *value)
{
    return cJSON_IsString(value) ? value->valuestring : NULL;
}

bool json_size(const cJSON *value, uint64_t *size_out)
{
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0) || value->valuedouble > 0x1p53)
        return false;
    *size_out = (uint64_t)value->valuedouble;
    return (double)*size_out == value->valuedouble;
}
