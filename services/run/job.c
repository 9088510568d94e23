/* One container, from its archive to its last line. */
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

/* ---- What it writes, by lines ---- */

static void print_line(const struct run *run, const struct job *job, struct line *line)
{
    if (run->job_count > 1)
        rt_log("%s: %.*s", job->name, (int)line->length, line->text);
    else
        rt_log_line(line->text, line->length);
    line->length = 0;
}

static void add(const struct run *run, const struct job *job, struct line *line, char byte)
{
    if (byte == '\n' || line->length == LINE_BYTES)
        print_line(run, job, line);
    if (byte != '\n' && byte != '\r')
        line->text[line->length++] = byte;
}

bool job_print(const struct run *run, struct job *job)
{
    static char data[LOG_DATA_MAX];
    struct log_record record;
    uint64_t lost;
    for (unsigned turn = 0; turn < RECORDS_IN_A_TURN; turn++) {
        if (job->log == NULL || container_log_read(job->log, (size_t)job->log_bytes, &job->position,
                                                   &record, data, &lost) != OK)
            return false;
        if (lost != 0)
            rt_log("%s: %llu bytes of output were lost", job->name, (unsigned long long)lost);
        struct line *line = &job->line[record.stream == LOG_STREAM_ERROR];
        for (unsigned i = 0; i < record.size_bytes; i++)
            add(run, job, line, data[i]);
    }
    return true;
}

void job_print_end(const struct run *run, struct job *job)
{
    for (unsigned i = 0; i < 2; i++) {
        if (job->line[i].length > 0)
            print_line(run, job, &job->line[i]);
    }
}

/* ---- Starting ---- */

static void say_problem(const struct job *job, enum status status)
{
    char text[256];
    size_t length = 0;
    struct containers_problem_out out = { .text_size = 1 };
    while (out.text_size > 0 && length + sizeof(out.text) < sizeof(text)) {
        const struct containers_problem_in in = { .at = (uint32_t)length };
        out = (struct containers_problem_out){ 0 };
        if (containers_call_problem(rt_handle("containers"), run_soon(), &in, &out) != OK)
            break;
        memcpy(text + length, out.text, out.text_size);
        length += out.text_size;
    }
    rt_log("%s cannot be started: %s%s%.*s", job->name, status_text(status), length > 0 ? ": " : "",
           (int)length, text);
}

/* The request as Memory that `containers` gets. */
static enum status request_memory(const char *text, uint64_t *memory_out)
{
    size_t size_bytes = strlen(text);
    uint64_t span = (size_bytes + SPACE_PAGE) / SPACE_PAGE * SPACE_PAGE;
    void *at = NULL;
    enum status status = memory_create(rt_budget(), span, 0, 0, 0, memory_out);
    if (status == OK)
        status = space_map(*memory_out, 0, span, ACCESS_READ | ACCESS_WRITE, &at);
    if (status != OK)
        return status;
    memcpy(at, text, size_bytes);
    return space_unmap(at, span);
}

static enum status create(struct job *job)
{
    struct containers_create_in in = { .size = strlen(job->request) };
    struct containers_create_out out = { 0 };
    enum status status = request_memory(job->request, &in.request);
    if (status == OK)
        status = containers_call_create(rt_handle("containers"), run_soon(), &in, &out);
    if (in.request != 0)
        (void)handle_close(in.request);
    job->container = out.container;
    return status;
}

static enum status open_log(struct job *job)
{
    const struct containers_log_in in = { .container = job->container };
    struct containers_log_out out = { 0 };
    enum status status = containers_call_log(rt_handle("containers"), run_soon(), &in, &out);
    if (status == OK)
        status = space_map(out.log, 0, out.size, ACCESS_READ, &job->log);
    job->log_bytes = out.size;
    return status;
}

static enum status watch(const struct run *run, const struct job *job)
{
    struct containers_watch_in in = { .container = job->container,
                                      .bits = (uint64_t)1 << (job - run->job) };
    enum status status = handle_copy(run->notification, RIGHT_NOTIFICATION_SIGNAL | RIGHT_ANY_GRANT,
                                     0, 0, &in.notification);
    if (status == OK)
        status = containers_call_watch(rt_handle("containers"), run_soon(), &in);
    if (in.notification != 0)
        (void)handle_close(in.notification);
    return status;
}

bool job_start(struct run *run, struct job *job)
{
    if (job->archive[0] != '\0' && !job_add_image(job))
        return false;
    enum status status = create(job);
    if (status == OK)
        status = open_log(job);
    if (status == OK)
        status = watch(run, job);
    const struct containers_start_in in = { .container = job->container };
    if (status == OK)
        status = containers_call_start(rt_handle("containers"), run_soon(), &in);
    if (status != OK)
        say_problem(job, status);
    return status == OK;
}
