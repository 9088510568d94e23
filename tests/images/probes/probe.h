/* What a Linux says to its programs, as text. Each PROBE prints the outcome of calls, good ones and
 * bad ones, in a process and a directory of its own; tests/e2e/test_containers.py compares what is
 * printed here and on Linux. So nothing that is printed may depend on the machine, its load, its
 * clock, or on numbers that a kernel chooses freely. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

struct probe {
    const char *area, *name;
    void (*run)(void);
    struct probe *next;
};

void probe_add(struct probe *probe);

/* Code that prints, run where its area or AREA.NAME is asked for. */
#define PROBE(area_, name_)                                                                        \
    static void probe_##name_(void);                                                               \
    __attribute__((constructor)) static void add_##name_(void)                                     \
    {                                                                                              \
        static struct probe probe = { .area = #area_, .name = #name_, .run = probe_##name_ };      \
        probe_add(&probe);                                                                         \
    }                                                                                              \
    static void probe_##name_(void)

/* A line, in one write. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print the text of an expression and what came of it: the value, or the name of the error after
 * -1. */
#define TRY(expression) tried(#expression, (long)(expression))
long tried(const char *text, long result);

/* The same of what is no error when it is negative, and without the value of it, where Linux
 * chooses. */
#define VALUE(expression) say("%s = %ld", #expression, (long)(expression))
#define DONE(expression)  done(#expression, (long)(expression))
long done(const char *text, long result);

/* What must work for the rest to make sense; ends the probe with a line if not. */
#define MUST(expression) must(#expression, (long)(expression))
long must(const char *text, long result);

/* A child that runs `body` and ends with what that returns. */
pid_t child(int (*body)(void));

/* Wait for a child; print and return what wait4 says. */
int ended(const char *who, pid_t pid);

/* As `ended`, of a child that runs `body`. */
int in_child(const char *who, int (*body)(void));

/* "SIGTERM" and the like. */
const char *signal_name(int number);
/* A handler that prints it. */
void told(int number);

/* Print what poll says of a descriptor. */
void ready(const char *what, int fd);

void write_text(const char *path, const char *text);
/* Up to a page of a file, "" if it cannot be read. Overwritten by the next. */
const char *text_of(const char *path);

/* Wait until a thread or process sleeps, by its state in /proc; false after five seconds. */
bool sleeps(pid_t pid);
void nap_ms(unsigned ms);

#define BAD_POINTER  ((void *)0x10)
#define COUNT(array) (sizeof(array) / sizeof *(array))
