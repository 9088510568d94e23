/* The audit ring: what was done with authority, for a service that keeps it.
 *
 * Recorded is what changes who may do what: capabilities that reach another process or are split,
 * revocation, refusal, the life and death of processes. What a process does with its own table, and
 * IPC without capabilities, leaves no record, so no hot path comes by here.
 *
 * Records are overwritten when nobody reads them in time; that is counted.
 *
 * Locking: a lock of its own, outside that of notifications.
 */
#pragma once

#include <audit.h>
#include <base/object_type.h>
#include <base/status.h>
#include <kernel/notification.h>
#include <stddef.h>

enum { AUDIT_RING_RECORDS = 1024 };

/* Give it sequence number, time and actor, and keep it. Any context that holds no lock. */
void audit_record(const struct audit_record *event);
/* A call was refused what it needs. */
void audit_denial(uint64_t handle, enum object_type type, uint32_t rights, enum status status);
/* Something was done with authority over `object`. */
void audit_event(enum audit_kind kind, const struct object *object, uint32_t rights,
                 uint64_t target);
/* A capability went along in a message from process `from` to process `to`. */
void audit_transfer(const struct object *object, uint32_t rights, uint64_t from, uint64_t to);
/* Up to `max` records from number `from` on, or from the oldest. Returns how many. */
size_t audit_read(uint64_t from, struct audit_record *record, size_t max);
/* The reader has got all up to this one. */
void audit_seen(uint64_t sequence);

struct audit_stats {
    uint64_t next;   /* the number that the next record will have */
    uint64_t oldest; /* the first that is still there */
    uint64_t lost;   /* records that were overwritten before anybody read them */
};
struct audit_stats audit_stats(void);

/* Signal when there are records that nobody has read: now, or with the next one, and again when all
 * have been read and another comes. One notification at a time: the last one. ERR_DEAD.
 */
enum status audit_bind(struct notification *notification, uint64_t bits);
