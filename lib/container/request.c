/* JSON to struct container_request. */
#include <base/compiler.h>
#include <base/fmt.h>
#include <base/string.h>
#include <cJSON.h>
#include <container/request.h>
#include <stdlib.h>

enum { DEPTH_MAX = 8, SIGNAL_MAX = 64 };
#define MICROSECOND_NS   ((uint64_t)1000)
#define PERIOD_MIN_US    ((uint64_t)1000)
#define PERIOD_MAX_US    ((uint64_t)1000000)
#define PERIOD_US        ((uint64_t)100000)
#define QUOTA_MAX_US     ((uint64_t)256 * PERIOD_MAX_US)
#define EXACT_NUMBER_MAX ((uint64_t)1 << 53) /* JSON numbers are doubles */

/* ---- Saying no ---- */

static enum status refuse(char *error, const char *name, const char *problem)
{
    (void)format_text(error, REQUEST_ERROR_BYTES, "%s: %s", name, problem);
    return ERR_INVALID;
}

/* ---- Values ---- */

static enum status take_text(const cJSON *value, char *to, size_t size_bytes, char *error)
{
    if (!cJSON_IsString(value))
        return refuse(error, value->string, "is not a text");
    if (strlen(value->valuestring) >= size_bytes)
        return refuse(error, value->string, "is too long");
    (void)strlcpy(to, value->valuestring, size_bytes);
    return OK;
}

static char *copy_text(const char *text)
{
    size_t size_bytes = strlen(text) + 1;
    char *copy = malloc(size_bytes);
    if (copy != NULL)
        memcpy(copy, text, size_bytes);
    return copy;
}

static enum status take_copy(const cJSON *value, char **copy_out, char *error)
{
    if (!cJSON_IsString(value))
        return refuse(error, value->string, "is not a text");
    *copy_out = copy_text(value->valuestring);
    return *copy_out != NULL ? OK : ERR_NO_MEMORY;
}

static enum status take_bool(const cJSON *value, bool *to, char *error)
{
    if (!cJSON_IsBool(value))
        return refuse(error, value->string, "is neither true nor false");
    *to = cJSON_IsTrue(value) != 0;
    return OK;
}

static enum status take_number(const cJSON *value, uint64_t most, uint64_t *to, char *error)
{
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0) ||
        value->valuedouble > (double)EXACT_NUMBER_MAX)
        return refuse(error, value->string, "is not a whole number that is at least 0");
    uint64_t number = (uint64_t)value->valuedouble;
    if ((double)number != value->valuedouble)
        return refuse(error, value->string, "is not a whole number that is at least 0");
    if (number > most)
        return refuse(error, value->string, "is too large");
    *to = number;
    return OK;
}

static void free_list(struct text_list *list)
{
    for (unsigned i = 0; i < list->count; i++)
        free(list->text[i]);
    free(list->text);
    *list = (struct text_list){ 0 };
}

static enum status take_list(const cJSON *value, struct text_list *list, char *error)
{
    if (!cJSON_IsArray(value))
        return refuse(error, value->string, "is not a list of texts");
    int count = cJSON_GetArraySize(value);
    if (count > REQUEST_TEXTS_MAX)
        return refuse(error, value->string, "has too many texts");
    list->text = calloc((size_t)count + 1, sizeof(*list->text));
    if (list->text == NULL)
        return ERR_NO_MEMORY;
    for (const cJSON *item = value->child; item != NULL; item = item->next) {
        if (!cJSON_IsString(item))
            return refuse(error, value->string, "is not a list of texts");
        list->text[list->count] = copy_text(item->valuestring);
        if (list->text[list->count] == NULL)
            return ERR_NO_MEMORY;
        list->count++;
    }
    return OK;
}

/* ---- Signals ---- */

uint32_t container_signal_number(const char *text)
{
    static const char *const names[] = {
        "",     "HUP",  "INT",  "QUIT", "ILL",    "TRAP", "ABRT",  "BUS",  "FPE",  "KILL", "USR1",
        "SEGV", "USR2", "PIPE", "ALRM", "TERM",   "",     "CHLD",  "CONT", "STOP", "TSTP", "TTIN",
        "TTOU", "URG",  "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",   "PWR",  "SYS",
    };
    if (strncmp(text, "SIG", 3) == 0)
        text += 3;
    for (uint32_t i = 1; i < ARRAY_LEN(names); i++) {
        if (names[i][0] != '\0' && strcmp(text, names[i]) == 0)
            return i;
    }
    uint32_t number = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || number > SIGNAL_MAX)
            return 0;
        number = number * 10 + (uint32_t)(*at - '0');
    }
    return number <= SIGNAL_MAX ? number : 0;
}

/* ---- Members ---- */

static bool name_is_good(const char *name)
{
    if (name[0] == '\0')
        return false;
    for (const char *at = name; *at != '\0'; at++) {
        bool letter =
            (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
        if (!letter && (at == name || (*at != '_' && *at != '.' && *at != '-')))
            return false;
    }
    return true;
}

static enum status take_name(const cJSON *value, struct container_request *request, char *error)
{
    enum status status = take_text(value, request->name, sizeof(request->name), error);
    if (status == OK && !name_is_good(request->name))
        return refuse(error, value->string, "has other characters than letters, digits, _ . -");
    return status;
}

static enum status take_signal(const cJSON *value, struct container_request *request, char *error)
{
    char text[16];
    enum status status = take_text(value, text, sizeof(text), error);
    if (status != OK)
        return status;
    request->stop_signal = container_signal_number(text);
    return request->stop_signal != 0 ? OK : refuse(error, value->string, "is no signal");
}

static enum status take_member(const cJSON *value, struct container_request *request, char *error)
{
    const char *name = value->string;
    if (strcmp(name, "Name") == 0)
        return take_name(value, request, error);
    if (strcmp(name, "Image") == 0)
        return take_text(value, request->image, sizeof(request->image), error);
    if (strcmp(name, "Entrypoint") == 0) {
        request->entrypoint_given = true;
        return take_list(value, &request->entrypoint, error);
    }
    if (strcmp(name, "Cmd") == 0) {
        request->command_given = true;
        return take_list(value, &request->command, error);
    }
    if (strcmp(name, "Env") == 0)
        return take_list(value, &request->environment, error);
    if (strcmp(name, "WorkingDir") == 0)
        return take_copy(value, &request->working, error);
    if (strcmp(name, "User") == 0)
        return take_copy(value, &request->user, error);
    if (strcmp(name, "Hostname") == 0)
        return take_copy(value, &request->hostname, error);
    if (strcmp(name, "StopSignal") == 0)
        return take_signal(value, request, error);
    if (strcmp(name, "Tty") == 0)
        return take_bool(value, &request->terminal, error);
    if (strcmp(name, "OpenStdin") == 0)
        return take_bool(value, &request->input, error);
    return refuse(error, name, "is not known");
}

static enum status take_isolation(const cJSON *value, struct container_request *request,
                                  char *error)
{
    char text[8];
    enum status status = take_text(value, text, sizeof(text), error);
    if (status != OK)
        return status;
    if (strcmp(text, "split") != 0 && strcmp(text, "fused") != 0)
        return refuse(error, value->string, "is neither split nor fused");
    request->isolation = text[0] == 's' ? CONTAINER_SPLIT : CONTAINER_FUSED;
    return OK;
}

static enum status take_limit(const cJSON *value, struct container_request *request, char *error)
{
    const char *name = value->string;
    uint64_t number = 0;
    enum status status;
    if (strcmp(name, "Memory") == 0)
        return take_number(value, REQUEST_MEMORY_MAX, &request->memory_bytes, error);
    if (strcmp(name, "Isolation") == 0)
        return take_isolation(value, request, error);
    if (strcmp(name, "ReadonlyRootfs") == 0)
        return take_bool(value, &request->read_only_root, error);
    if (strcmp(name, "CpuPeriod") == 0) {
        status = take_number(value, PERIOD_MAX_US, &number, error);
        request->cpu_period_ns = number * MICROSECOND_NS;
        return status == OK && number != 0 && number < PERIOD_MIN_US
                   ? refuse(error, name, "is below 1000 microseconds")
                   : status;
    }
    if (strcmp(name, "CpuQuota") == 0) {
        status = take_number(value, QUOTA_MAX_US, &number, error);
        request->cpu_quota_ns = number * MICROSECOND_NS;
        return status;
    }
    if (strcmp(name, "CpuShares") == 0) {
        status = take_number(value, 10000, &number, error);
        request->cpu_shares = number != 0 ? (uint32_t)number : REQUEST_SHARES_DEFAULT;
        return status;
    }
    if (strcmp(name, "PidsLimit") == 0) {
        status = take_number(value, UINT32_MAX, &number, error);
        request->process_max = (uint32_t)number;
        return status;
    }
    return refuse(error, name, "is not known");
}

/* A name that comes twice would leak, or mean one or the other. */
static bool given_before(const cJSON *object, const cJSON *value)
{
    for (const cJSON *other = object->child; other != value; other = other->next) {
        if (strcmp(other->string, value->string) == 0)
            return true;
    }
    return false;
}

typedef enum status take(const cJSON *value, struct container_request *request, char *error);

static enum status take_object(const cJSON *object, take *each, struct container_request *request,
                               char *error)
{
    for (const cJSON *value = object->child; value != NULL; value = value->next) {
        if (given_before(object, value))
            return refuse(error, value->string, "is there twice");
        enum status status = each(value, request, error);
        if (status != OK)
            return status;
    }
    return OK;
}

static enum status take_either(const cJSON *value, struct container_request *request, char *error)
{
    if (strcmp(value->string, "HostConfig") != 0)
        return take_member(value, request, error);
    if (!cJSON_IsObject(value))
        return refuse(error, value->string, "is not an object");
    return take_object(value, take_limit, request, error);
}

/* ---- The whole ---- */

/* Before anything is made of it: how deep do brackets go outside texts? */
static bool deeper_than(const char *json, size_t size_bytes, unsigned most)
{
    unsigned depth = 0;
    bool text = false;
    for (size_t i = 0; i < size_bytes; i++) {
        if (json[i] == '"')
            text = !text;
        else if (text && json[i] == '\\')
            i++;
        else if (!text && (json[i] == '{' || json[i] == '['))
            depth++;
        else if (!text && (json[i] == '}' || json[i] == ']') && depth > 0)
            depth--;
        if (depth > most)
            return true;
    }
    return false;
}

static enum status check(struct container_request *request, char *error)
{
    if (request->memory_bytes == 0)
        request->memory_bytes = REQUEST_MEMORY_DEFAULT;
    if (request->memory_bytes < REQUEST_MEMORY_MIN)
        return refuse(error, "Memory", "is below 8 MiB");
    if (request->cpu_quota_ns != 0 && request->cpu_period_ns == 0)
        request->cpu_period_ns = PERIOD_US * MICROSECOND_NS;
    if (request->cpu_quota_ns == 0)
        request->cpu_period_ns = 0;
    return OK;
}

enum status container_request_parse(const char *json, size_t size_bytes,
                                    struct container_request *request_out, char *error)
{
    *request_out = (struct container_request){ .cpu_shares = REQUEST_SHARES_DEFAULT };
    error[0] = '\0';
    if (size_bytes > REQUEST_BYTES_MAX || deeper_than(json, size_bytes, DEPTH_MAX))
        return refuse(error, "the request", "is too large");
    cJSON *root = cJSON_ParseWithLength(json, size_bytes);
    if (root == NULL)
        return refuse(error, "the request", "is not JSON");
    enum status status = cJSON_IsObject(root) ? take_object(root, take_either, request_out, error)
                                              : refuse(error, "the request", "is not an object");
    cJSON_Delete(root);
    if (status == OK)
        status = check(request_out, error);
    if (status == ERR_NO_MEMORY)
        (void)strlcpy(error, "not enough memory for the request", REQUEST_ERROR_BYTES);
    if (status != OK)
        container_request_free(request_out);
    return status;
}

void container_request_free(struct container_request *request)
{
    free_list(&request->entrypoint);
    free_list(&request->command);
    free_list(&request->environment);
    free(request->working);
    free(request->user);
    free(request->hostname);
    *request = (struct container_request){ 0 };
}
