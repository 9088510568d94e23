/* audit: drains the kernel's audit ring, chains the records, and tells whoever asks
 * (abi/protocols/audit.abi).
 *
 * The hash of a record is SHA-256 of the hash before it and the record's bytes, so nobody can
 * change or leave out a record without changing every hash after it. Records that the kernel lost
 * are counted, and the number in the next record shows where.
 */
#include <audit.h>
#include <base/bytes.h>
#include <base/string.h>
#include <digest/sha256.h>
#include <protocol_audit.h>
#include <protocol_supervisor.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/serve.h>
#include <rt/startup.h>
#include <rt/syscall.h>

enum { KEPT = 1024 };
#define PART_BYTES ((size_t)32)

struct entry {
    struct audit_record record;
    uint8_t digest[SHA256_BYTES];
};

struct audit {
    uint64_t system;
    uint64_t next; /* sequence number of the next record to ask for */
    uint64_t lost;
    uint64_t count; /* records in the chain; entry[n % KEPT] is the n-th */
    bool behind;    /* there may be more to read, of which no signal will tell */
    uint8_t digest[SHA256_BYTES];
    struct entry entry[KEPT];
};

static_assert(sizeof(struct audit_record) % PART_BYTES == 0, "a record in whole parts");

static void chain(struct audit *audit, const struct audit_record *record)
{
    uint8_t bytes[SHA256_BYTES + sizeof(*record)];
    struct entry *entry = &audit->entry[audit->count % KEPT];
    audit->lost += record->sequence - audit->next;
    audit->next = record->sequence + 1;
    memcpy(bytes, audit->digest, SHA256_BYTES);
    memcpy(bytes + SHA256_BYTES, record, sizeof(*record));
    sha256(bytes, sizeof(bytes), audit->digest);
    entry->record = *record;
    memcpy(entry->digest, audit->digest, SHA256_BYTES);
    audit->count++;
}

/* Until there is nothing left, but no more than the ring may hold: clients get their turn. */
static void drain(void *context)
{
    struct audit *audit = context;
    audit->behind = true;
    for (unsigned round = 0; round < KEPT / AUDIT_READ_MAX; round++) {
        struct audit_record record[AUDIT_READ_MAX];
        uint64_t found = 0;
        enum status status = system_control(audit->system, SYSTEM_OP_AUDIT_READ, audit->next,
                                            record, AUDIT_READ_MAX, &found);
        if (status != OK || found == 0) {
            audit->behind = false;
            return;
        }
        for (uint64_t i = 0; i < found && i < AUDIT_READ_MAX; i++)
            chain(audit, &record[i]);
    }
}

static uint64_t next_drain(void *context)
{
    const struct audit *audit = context;
    return audit->behind ? clock_now_ns() : DEADLINE_NEVER;
}

/* The kernel signals once for each time that we fall behind: all is read, and another comes. */
static void signalled(void *context, uint64_t bits)
{
    (void)bits;
    drain(context);
}

static enum status listen(const struct audit *audit, uint64_t endpoint)
{
    uint64_t notification;
    enum status status = object_create(rt_budget(), OBJECT_NOTIFICATION, &notification);
    if (status == OK)
        status = object_bind(endpoint, notification, UINT64_MAX);
    if (status == OK)
        status = object_bind(audit->system, notification, 1);
    return status;
}

static uint64_t oldest(const struct audit *audit)
{
    return audit->count > KEPT ? audit->count - KEPT : 0;
}

static const struct entry *find(const struct audit *audit, uint64_t number)
{
    return number < oldest(audit) || number >= audit->count ? NULL : &audit->entry[number % KEPT];
}

static enum status state(void *context, uint64_t badge, struct audit_state_out *out)
{
    const struct audit *audit = context;
    (void)badge;
    drain(context);
    out->first = oldest(audit);
    out->next = audit->count;
    out->lost = audit->lost;
    return OK;
}

static enum status record_part(void *context, uint64_t badge, const struct audit_record_in *in,
                               struct audit_record_out *out)
{
    const struct entry *entry = find(context, in->number);
    (void)badge;
    if (entry == NULL)
        return ERR_NOT_FOUND;
    if (in->part >= sizeof(entry->record) / PART_BYTES)
        return ERR_RANGE;
    const uint8_t *at = (const uint8_t *)&entry->record + in->part * PART_BYTES;
    out->a = load_le64(at);
    out->b = load_le64(at + 8);
    out->c = load_le64(at + 16);
    out->d = load_le64(at + 24);
    return OK;
}

static enum status digest(void *context, uint64_t badge, const struct audit_digest_in *in,
                          struct audit_digest_out *out)
{
    const struct entry *entry = find(context, in->number);
    (void)badge;
    if (entry == NULL)
        return ERR_NOT_FOUND;
    out->a = load_le64(entry->digest);
    out->b = load_le64(entry->digest + 8);
    out->c = load_le64(entry->digest + 16);
    out->d = load_le64(entry->digest + 24);
    return OK;
}

static const struct audit_handlers handlers = {
    .state = state,
    .record = record_part,
    .digest = digest,
};

static void serve(void *context, struct ipc_message *message)
{
    audit_serve(&handlers, context, message);
}

/* Its memory is there before the first record is: none is lost later because there is no more. */
static void commit(struct audit *audit)
{
    volatile uint8_t *bytes = (volatile uint8_t *)audit;
    for (size_t at = 0; at < sizeof(*audit); at += 4096)
        bytes[at] = 0;
    bytes[sizeof(*audit) - 1] = 0;
}

int main(void)
{
    static struct audit audit;
    commit(&audit);
    audit.system = rt_handle("system");
    struct rt_server server = {
        .endpoint = rt_handle("audit"),
        .accept = AUDIT_ACCEPT,
        .context = &audit,
        .serve = serve,
        .signal = signalled,
        .deadline = next_drain,
        .late = drain,
    };
    if (listen(&audit, server.endpoint) != OK)
        return 1;
    drain(&audit);
    if (supervisor_call_ready(rt_handle(STARTUP_SUPERVISOR), DEADLINE_NEVER) != OK)
        return 1;
    rt_log("%llu records chained, %llu lost", (unsigned long long)audit.count,
           (unsigned long long)audit.lost);
    (void)rt_serve(&server);
    return 1;
}
