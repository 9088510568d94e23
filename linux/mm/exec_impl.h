/* Between the files that execute programs. */
#pragma once

#include "mm_impl.h"
#include <linux/arch.h>
#include <linux/task.h>

enum {
    TEXT_BYTES_MAX = 128 * 1024, /* one argument: MAX_ARG_STRLEN */
    SCRIPT_BYTES = 256,          /* of a file's beginning that are looked at */
    SCRIPT_DEPTH_MAX = 5,
    EXEC_HEADERS_MAX = 128,
    AUXILIARY_MAX = 24,
};

/* A list of texts, one behind the other. */
struct texts {
    char *bytes;
    uint64_t size_bytes, room_bytes;
    uint64_t count;
};

/* Append a copy; -ENOMEM, -E2BIG. */
int texts_add(struct texts *texts, const char *text);
/* Put in front, in the order of the calls reversed. */
int texts_add_front(struct texts *texts, const char *text);
void texts_drop_first(struct texts *texts);
/* A guest's array of pointers, with a NULL at the end; at most `limit` bytes, pointers included. */
int texts_from_guest(struct texts *texts, uaddr_t list, uint64_t limit);
void texts_free(struct texts *texts);

/* A program that is being made ready. */
struct program {
    struct texts arguments, environment;
    char *name;        /* as it was called, for AT_EXECFN and the thread's name */
    bool name_closes;  /* it is of a descriptor that execution closes */
    struct file *file; /* what is loaded: file_open_program */
    struct mm *mm;     /* the new one */
    struct cred *cred; /* the new one */
    bool secure;
    bool secret; /* the caller may not read one of its files */
    bool stack_executable;
    uint64_t entry, stack; /* where it begins */
    uint64_t program_entry, headers_at, header_count, interpreter_base;
    uint8_t beginning[SCRIPT_BYTES]; /* of the file */
};

/* exec.c: a file that is part of it, as file_open_program. */
int program_open(struct program *program, const struct path *path, struct file **file_out);
/* elf.c: load program->file, and its interpreter. */
int program_load(struct program *program);
/* stack.c: where stack and mappings go; the stack with arguments, environment, auxiliary vector. */
void program_place(struct mm *mm);
int program_stack(struct program *program);
/* The kernel-like object that serves the clock (vdso.c): its address. */
int vdso_map(struct mm *mm, uint64_t *at_out);
