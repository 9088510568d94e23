/* One container, from its archive to its last line. */
#include <client/client.h>
#include <rt/clock.h>
#include <rt/log.h>
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
        if (job->log.at == NULL || container_log_read(job->log.at, (size_t)job->log.size_bytes,
                                                      &job->position, &record, data, &lost) != OK)
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
    size_t length = client_problem(rt_handle("containers"), text, sizeof(text));
    rt_log("%s cannot be started: %s%s%s", job->name, status_text(status), length > 0 ? ": " : "",
           text);
}

bool job_start(struct run *run, struct job *job)
{
    if (job->archive[0] != '\0' && !job_add_image(job))
        return false;
    job->asked_ns = clock_now_ns();
    enum status status = client_create(rt_handle("containers"), job->request, &job->container);
    if (status == OK)
        status = client_log_open(rt_handle("containers"), job->container, &job->log);
    if (status == OK)
        status = client_watch(rt_handle("containers"), job->container, run->notification,
                              (uint64_t)1 << (job - run->job));
    const struct containers_start_in in = { .container = job->container };
    if (status == OK)
        status = containers_call_start(rt_handle("containers"), client_soon(), &in);
    if (status != OK)
        say_problem(job, status);
    return status == OK;
}
