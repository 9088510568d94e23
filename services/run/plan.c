/* run.json: a module that whoever starts the machine wrote. */
#include <cJSON.h>
#include <client/client.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

/* ---- The text ---- */

static bool refuse(const char *problem)
{
    rt_log("run.json: %s", problem);
    return false;
}

/* A member of the container that is ours: taken out of the request. */
static bool take_text(cJSON *object, const char *name, char *to, size_t size_bytes)
{
    cJSON *value = cJSON_DetachItemFromObjectCaseSensitive(object, name);
    bool good = value == NULL || (cJSON_IsString(value) && strlen(value->valuestring) < size_bytes);
    if (good && value != NULL)
        (void)snprintf(to, size_bytes, "%s", value->valuestring);
    cJSON_Delete(value);
    return good;
}

static bool plan_job(struct job *job, cJSON *container)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(container, "Name");
    if (!cJSON_IsObject(container) ||
        !take_text(container, "Archive", job->archive, sizeof(job->archive)))
        return refuse("a container is no object, or its Archive no text");
    if (!cJSON_IsString(name) || strlen(name->valuestring) >= sizeof(job->name))
        return refuse("a container has no Name, or a long one");
    (void)snprintf(job->name, sizeof(job->name), "%s", name->valuestring);
    job->request = cJSON_PrintUnformatted(container);
    return job->request != NULL || refuse("no memory");
}

static bool plan_jobs(struct run *run, const cJSON *root)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "Containers");
    run->power_off = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "PowerOff")) != 0;
    run->times = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "Times")) != 0;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > JOB_MAX)
        return refuse("Containers is no list, or a long one");
    for (cJSON *item = list->child; item != NULL; item = item->next) {
        if (!plan_job(&run->job[run->job_count++], item))
            return false;
    }
    return true;
}

static bool plan_parse(struct run *run, const char *text, uint64_t size_bytes)
{
    cJSON *root = cJSON_ParseWithLength(text, (size_t)size_bytes);
    bool good = cJSON_IsObject(root) ? plan_jobs(run, root) : refuse("it is no JSON object");
    cJSON_Delete(root);
    return good;
}

bool plan_read(struct run *run)
{
    uint64_t memory = 0, size_bytes = 0;
    void *at = NULL;
    enum status status = client_module(rt_handle("modules"), "run.json", &memory, &size_bytes);
    if (status == ERR_NOT_FOUND)
        return false;
    run->planned = true;
    if (status == OK && size_bytes > PLAN_BYTES_MAX)
        status = ERR_LIMIT;
    uint64_t span = (size_bytes + SPACE_PAGE - 1) / SPACE_PAGE * SPACE_PAGE;
    if (status == OK)
        status = space_map(memory, 0, span, ACCESS_READ, &at);
    if (status != OK)
        return refuse(status_text(status));
    return plan_parse(run, at, size_bytes);
}
