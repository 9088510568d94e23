/* The manifest: every service of the system, what it may use, and which capability it gets from
 * whom (docs/architecture/init-and-services.md has the language). One reader serves init, which
 * builds exactly this, and the host tool, which prints it.
 *
 * Nothing is allocated and nothing points into the text. Every list has a bound; a text that goes
 * beyond one is refused like any other mistake, with one message and the line that is wrong.
 */
#pragma once

#include <base/object_type.h>
#include <base/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MANIFEST_BYTES_MAX = 64 * 1024,
    MANIFEST_LINE_MAX = 200,
    MANIFEST_WORD_MAX = 12, /* words of one line */
    MANIFEST_SERVICE_MAX = 32,
    MANIFEST_SERVE_MAX = 64,
    MANIFEST_TAKE_MAX = 256,
    MANIFEST_NAME_BYTES = 32, /* with the zero byte, as STARTUP_NAME_BYTES */
    MANIFEST_PATH_BYTES = 64,
    MANIFEST_ERROR_BYTES = 200,
    MANIFEST_STANDARD_COUNT = 3, /* process, budget, supervisor: everybody has them */
    MANIFEST_GRANT_MAX = 48,     /* capabilities that one service starts with */
    MANIFEST_CAPABILITY_MIN = 64,
    MANIFEST_CAPABILITY_MAX = 65536,
    MANIFEST_THREAD_MAX = 1024,
    MANIFEST_CPU_MAX = 25600, /* per cent of one CPU */
    MANIFEST_PRIORITY_MAX = 63,
    MANIFEST_MEMORY_MIN = 256 * 1024,
};
#define MANIFEST_MEMORY_MAX ((uint64_t)1 << 40)

enum manifest_restart {
    MANIFEST_RESTART_ALWAYS,
    MANIFEST_RESTART_FAILURE, /* unless it ended by itself */
    MANIFEST_RESTART_NEVER,
};

struct manifest_service {
    char name[MANIFEST_NAME_BYTES];
    char program[MANIFEST_PATH_BYTES]; /* in the system image */
    unsigned line;
    uint64_t memory_bytes;
    uint32_t capability_max;
    uint32_t thread_max;
    uint32_t cpu_percent; /* 0: no quota */
    uint32_t priority;
    enum manifest_restart restart;
    uint32_t seen; /* which of the lines that stand once were there */
};

/* An endpoint that init makes; the service receives on it, whoever takes it sends. */
struct manifest_serve {
    char name[MANIFEST_NAME_BYTES];
    unsigned service;
    unsigned line;
};

enum manifest_source { MANIFEST_FROM_SERVICE, MANIFEST_FROM_KERNEL, MANIFEST_FROM_INIT };

struct manifest_take {
    char name[MANIFEST_NAME_BYTES]; /* what the peer calls it */
    char peer[MANIFEST_NAME_BYTES];
    char as[MANIFEST_NAME_BYTES]; /* what this service calls it */
    unsigned service;
    unsigned line;
    uint32_t rights;
    enum manifest_source source;
    unsigned from; /* in serve[], or in manifest_offers[] */
};

struct manifest {
    struct manifest_service service[MANIFEST_SERVICE_MAX];
    struct manifest_serve serve[MANIFEST_SERVE_MAX];
    struct manifest_take take[MANIFEST_TAKE_MAX];
    unsigned service_count, serve_count, take_count;
    unsigned order[MANIFEST_SERVICE_MAX]; /* whoever is taken from comes first */
    unsigned error_line;                  /* 0: the whole of it */
    char error[MANIFEST_ERROR_BYTES];
};

/* What the kernel and init have to give: lib/manifest/offers.def. */
struct manifest_offer {
    enum manifest_source source;
    const char *name;
    enum object_type type;
    uint32_t rights;    /* at most */
    uint32_t exclusive; /* each of these at most once in the whole system */
};
extern const struct manifest_offer manifest_offers[];
extern const unsigned manifest_offer_count;

/* One capability of one service, as init hands it over. */
struct manifest_grant {
    const char *name;   /* what the service calls it */
    const char *peer;   /* "init", "kernel", or a service's name */
    const char *origin; /* what the peer calls it */
    enum object_type type;
    uint32_t rights;
    uint64_t badge; /* 0: none */
    enum manifest_source source;
    bool serves;   /* the service's own endpoint, which it receives on */
    unsigned from; /* in serve[], in manifest_offers[], or the number of the standard one */
};

enum { MANIFEST_PROCESS, MANIFEST_BUDGET, MANIFEST_SUPERVISOR };

/* ERR_FORMAT: error_line and error say what is wrong. */
enum status manifest_read(struct manifest *manifest, const char *text, size_t size_bytes);

/* How many capabilities the service starts with, and each of them: the standard ones, then what it
 * serves, then what it takes, both as written. */
unsigned manifest_grant_count(const struct manifest *manifest, unsigned service);
void manifest_grant(const struct manifest *manifest, unsigned service, unsigned index,
                    struct manifest_grant *grant_out);

/* What init serves itself lies behind one endpoint, so its badges say which: this much more. */
#define MANIFEST_BADGE_CONTROL ((uint64_t)1 << 16)
#define MANIFEST_BADGE_MODULES ((uint64_t)2 << 16)

/* Its number on every endpoint that it takes; never 0. */
static inline uint64_t manifest_badge(unsigned service)
{
    return (uint64_t)service + 1;
}

/* The service of that name, or -1. */
int manifest_find(const struct manifest *manifest, const char *name);

/* "counter log ENDPOINT send 3": one line of `authority lines`, and of what init prints. */
enum { MANIFEST_GRANT_LINE_BYTES = 192 };
void manifest_grant_line(const struct manifest_grant *grant, const char *service, char *to,
                         size_t size_bytes);

/* "read,map" in small letters, "-" for none; cut to fit, always ended. */
void manifest_rights_text(enum object_type type, uint32_t rights, char *to, size_t size_bytes);
