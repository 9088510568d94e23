/* The ring to the creator. A writer that finds it full sleeps until the creator says that it has
 * taken something; so a container that writes faster than anybody reads waits, and loses nothing.
 */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/container.h>
#include <linux/machine.h>
#include <rt/ring.h>

static struct rt_lock events_lock;           /* `channel` */
static struct ring events;                   /* events_lock */
static uint64_t events_creator, events_bits; /* constant */
static uint32_t events_turn;                 /* atomic: counts what the creator has said */
struct wait_queue events_queue;

int events_start(void *ring, size_t size_bytes, uint64_t creator, uint64_t bits)
{
    wait_queue_init(&events_queue);
    events_creator = creator;
    events_bits = bits;
    return ring_open_producer(&events, ring, size_bytes, CONTAINER_EVENTS,
                              sizeof(struct container_entry)) == OK
               ? 0
               : -EINVAL;
}

void events_room(void)
{
    (void)__atomic_fetch_add(&events_turn, 1, __ATOMIC_SEQ_CST);
    machine_wake(&events_turn, UINT32_MAX);
    wait_queue_wake(&events_queue, POLL_OUT);
}

/* 0; -EAGAIN: full, and the creator will say when it is not; -EIO: the creator lies. */
static int push(const struct container_entry *entry)
{
    rt_lock(&events_lock);
    enum status status = ring_push(&events, entry);
    if (status == ERR_WOULD_BLOCK && !ring_may_sleep(&events))
        status = ring_push(&events, entry);
    bool wake = status == OK && ring_must_wake(&events);
    rt_unlock(&events_lock);
    if (wake)
        machine_signal(events_creator, events_bits);
    if (status == OK)
        return 0;
    return status == ERR_WOULD_BLOCK ? -EAGAIN : -EIO;
}

bool events_has_room(void)
{
    rt_lock(&events_lock);
    bool room = !ring_may_sleep(&events); /* else the creator will say when there is */
    rt_unlock(&events_lock);
    return room;
}

/* Threads that are no tasks have nothing that could interrupt them. */
static int wait_for_room(struct waiter *waiter, uint32_t turn)
{
    if (waiter->task == NULL) {
        machine_wait(&events_turn, turn, MACHINE_NEVER);
        return 0;
    }
    if (waiter->queue == NULL) {
        wait_queue_add(&events_queue, waiter);
        return 0;
    }
    return task_sleep(MACHINE_NEVER);
}

static int push_or_wait(const struct container_entry *entry, bool nonblocking)
{
    struct waiter waiter;
    int error;
    waiter_init(&waiter, task_self());
    for (;;) {
        uint32_t turn = __atomic_load_n(&events_turn, __ATOMIC_SEQ_CST);
        error = push(entry);
        if (error != -EAGAIN || nonblocking)
            break;
        error = wait_for_room(&waiter, turn);
        if (error != 0)
            break;
    }
    wait_queue_remove(&waiter);
    return error;
}

int64_t events_send(uint32_t kind, uint32_t session, uint32_t value, struct io *io,
                    bool nonblocking)
{
    struct container_entry entry = { .kind = kind, .session = session, .value = value };
    int64_t done = 0;
    do {
        int64_t part = 0;
        if (io != NULL && io->left > 0)
            part = io_from(io, entry.data, MIN(io->left, (uint64_t)CONTAINER_DATA_BYTES));
        if (part < 0)
            return done > 0 ? done : part;
        entry.size_bytes = (uint32_t)part;
        int error = push_or_wait(&entry, nonblocking);
        if (error != 0)
            return done > 0 ? done : error;
        done += part;
    } while (io != NULL && io->left > 0 && entry.size_bytes > 0);
    return done;
}

/* A line of ours. Nobody waits for it: without room it is lost. */
void events_note(const char *text, size_t length)
{
    struct container_entry entry = { .kind = CONTAINER_NOTE };
    entry.size_bytes = (uint32_t)MIN(length, (size_t)CONTAINER_DATA_BYTES);
    memcpy(entry.data, text, entry.size_bytes);
    (void)push(&entry);
}
