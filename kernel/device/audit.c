/* The audit ring: one for all CPUs, so that the numbers are an order. */
#include <base/compiler.h>
#include <kernel/audit.h>
#include <kernel/process.h>
#include <kernel/thread.h>

static struct {
    struct spinlock lock;
    uint64_t next;                                  /* [L] number of the next record */
    uint64_t read;                                  /* [L] all below have been read, or are lost */
    uint64_t lost;                                  /* [L] */
    bool told;                                      /* [L] that there is something to read */
    struct signal_target target;                    /* [L] whom */
    struct audit_record record[AUDIT_RING_RECORDS]; /* [L] */
} ring = { .lock = SPINLOCK_INIT(RANK_AUDIT) };

static struct audit_record *at(uint64_t sequence)
{
    return &ring.record[sequence % AUDIT_RING_RECORDS];
}

static uint64_t oldest(void) REQUIRES(ring.lock)
{
    return ring.next > AUDIT_RING_RECORDS ? ring.next - AUDIT_RING_RECORDS : 0;
}

/* Once for each time that the reader falls behind. */
static void tell(void) REQUIRES(ring.lock)
{
    if (ring.told || ring.read == ring.next)
        return;
    ring.told = true;
    signal_target_fire(&ring.target);
}

static uint64_t current_process(void)
{
    const struct process *process = cpu_self()->current != NULL ? process_current() : NULL;
    return process != NULL ? process->object.id : 0;
}

void audit_record(const struct audit_record *event)
{
    uint64_t actor = current_process();
    uint64_t now_ns = clock_now_ns();

    spinlock_acquire(&ring.lock);
    struct audit_record *record = at(ring.next);
    *record = *event;
    record->sequence = ring.next++;
    record->time_ns = now_ns;
    record->actor = actor;
    if (ring.read < oldest()) {
        ring.read++;
        ring.lost++;
    }
    tell();
    spinlock_release(&ring.lock);
}

void audit_denial(uint64_t handle, enum object_type type, uint32_t rights, enum status status)
{
    audit_record(&(struct audit_record){ .kind = AUDIT_DENIAL,
                                         .type = (uint16_t)type,
                                         .rights = rights,
                                         .detail = handle,
                                         .status = (uint32_t)status });
}

void audit_event(enum audit_kind kind, const struct object *object, uint32_t rights,
                 uint64_t target)
{
    audit_record(&(struct audit_record){ .kind = (uint16_t)kind,
                                         .object = object->id,
                                         .type = (uint16_t)object->type,
                                         .rights = rights,
                                         .target = target });
}

/* The one that runs may be the receiver, which finds the sender waiting. */
void audit_transfer(const struct object *object, uint32_t rights, uint64_t from, uint64_t to)
{
    audit_record(&(struct audit_record){ .kind = AUDIT_TRANSFER,
                                         .object = object->id,
                                         .type = (uint16_t)object->type,
                                         .rights = rights,
                                         .target = to,
                                         .detail = from });
}

size_t audit_read(uint64_t from, struct audit_record *record, size_t max)
{
    spinlock_acquire(&ring.lock);
    uint64_t first = MIN(MAX(from, oldest()), ring.next);
    size_t count = MIN(max, (size_t)(ring.next - first));
    for (size_t i = 0; i < count; i++)
        record[i] = *at(first + i);
    spinlock_release(&ring.lock);
    return count;
}

void audit_seen(uint64_t sequence)
{
    spinlock_acquire(&ring.lock);
    if (sequence < ring.next)
        ring.read = MAX(ring.read, sequence + 1);
    if (ring.read == ring.next)
        ring.told = false;
    spinlock_release(&ring.lock);
}

struct audit_stats audit_stats(void)
{
    spinlock_acquire(&ring.lock);
    struct audit_stats stats = { ring.next, oldest(), ring.lost };
    spinlock_release(&ring.lock);
    return stats;
}

enum status audit_bind(struct notification *notification, uint64_t bits)
{
    spinlock_acquire(&ring.lock);
    enum status status = signal_target_bind(&ring.target, notification, bits);
    ring.told = false;
    tell();
    spinlock_release(&ring.lock);
    return status;
}
