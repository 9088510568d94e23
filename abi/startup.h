/* What a program finds when it starts, apart from the first one (abi/first_program.h).
 *
 * The only argument of its first thread is the address of a struct startup, in pages of its own
 * that the program may read and nothing else. There is no other way in: no arguments, no
 * environment, no descriptor that names anything ambient. The list of capabilities is all that the
 * process holds.
 *
 * The loader has mapped the segments and filled nothing in: a position independent program applies
 * its own relative relocations, sets up its own thread-local storage (PT_TLS), and then makes
 * what PT_GNU_RELRO names read-only.
 */
#pragma once

#include <stdint.h>

#define STARTUP_MAGIC ((uint64_t)0x5055545241545354) /* "TSTARTUP" */

enum {
    STARTUP_VERSION = 1,
    STARTUP_NAME_BYTES = 32, /* with the zero byte */
    STARTUP_CAPABILITY_MAX = 64,
    STARTUP_SEED_BYTES = 32,
};

/* The three that every program of the manifest has. */
#define STARTUP_PROCESS    "process"    /* itself: map, spawn, inspect */
#define STARTUP_BUDGET     "budget"     /* what pays for what it makes: charge, split, inspect */
#define STARTUP_SUPERVISOR "supervisor" /* who started it: send (abi/protocols/supervisor.abi) */

struct startup_capability {
    char name[STARTUP_NAME_BYTES]; /* what the manifest calls it; zeroes behind */
    uint64_t handle;
    uint32_t type; /* enum object_type */
    uint32_t rights;
};

struct startup {
    uint64_t magic;
    uint32_t version;
    uint32_t size_bytes;           /* of this structure with its list */
    char name[STARTUP_NAME_BYTES]; /* the service's */
    uint64_t program_base;         /* what was added to every address in the file */
    uint64_t program_headers_at;   /* 0 if no segment holds them */
    uint32_t program_header_count;
    uint32_t capability_count;
    uint64_t stack_at; /* the first thread's; the page below is a guard */
    uint64_t stack_bytes;
    uint64_t clock_at; /* the clock page (abi/clock_page.h), read-only; 0 if there is none */
    uint64_t entry;    /* where the first thread began */
    uint8_t seed[STARTUP_SEED_BYTES]; /* random, for this instance alone; zeroes if the machine has
                                         no source */
    struct startup_capability capability[];
};
