/* The object that is mapped into every program and tells it the time without a system call: one
 * page of an ELF file, whose functions glibc, musl and Go look for, and behind it one page of data.
 */
#pragma once

#include <stdint.h>

enum {
    VDSO_DATA_OFFSET = 4096,      /* the data, from the file's beginning */
    VDSO_SIGRETURN_OFFSET = 2048, /* the code that a handler returns to; linux/vdso/vdso.ld */
    VDSO_BYTES = 8192,
};

/* Written by the personality, read by everybody: each word by itself. Nanoseconds since the start
 * are (counter - counter_base) * ns_per_count / 2^32. */
struct vdso_data {
    uint64_t counter_base;
    uint64_t ns_per_count;
    int64_t realtime_offset_ns; /* to the time since 1970 */
};
