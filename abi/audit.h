/* The records of the audit ring, as system_control copies them out. Times and numbers are as the
 * machine keeps them, little-endian on every architecture. Sequence numbers begin at 0 and have no
 * gaps: a reader that asks for the number after the last one it got has lost what lies between.
 */
#pragma once

#include <stdint.h>

enum audit_kind {
    AUDIT_GRANT = 1, /* a capability was copied into another process: object, rights; target */
    AUDIT_TRANSFER,  /* a capability went along in a message: object, rights; detail sends, target
                        receives */
    AUDIT_SPLIT,     /* a part was split off: object, rights; detail is the part's badge */
    AUDIT_REVOKE,    /* all that was derived from a capability was removed: object */
    AUDIT_DENIAL,  /* a call was refused: handle in detail, type and rights that it takes; status */
    AUDIT_PROCESS, /* a process was created: target */
    AUDIT_DEATH,   /* a process is destroyed: target */
    AUDIT_DESTROY, /* a budget is destroyed with what it paid for: object */
    AUDIT_POWER,   /* the machine is turned off or restarted */
    AUDIT_KIND_COUNT
};

struct audit_record {
    uint64_t sequence;
    uint64_t time_ns; /* since boot */
    uint64_t actor;   /* the process that called, by object number; 0: the kernel */
    uint64_t object;  /* object number; 0: none */
    uint64_t target;  /* the process that it happened to; 0: none */
    uint64_t detail;
    uint16_t kind; /* enum audit_kind */
    uint16_t type; /* of object */
    uint32_t rights;
    uint32_t status;
    uint32_t reserved;
};

/* In one call of system_control. */
enum { AUDIT_READ_MAX = 16 };
