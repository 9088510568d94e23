/* poll(2), select(2) and their forms with masks.
 *
 * The first look puts the caller on the queues of every file; what follows looks again each time
 * that it is woken. So nothing that happens in between is missed.
 */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/clock.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/poll.h>
#include <linux/task.h>

enum {
    POLL_FEW = 16,       /* descriptors that need no memory */
    QUEUES_PER_FILE = 3, /* the most that a file has */
    SELECT_MAX = 65536,
    WORD_BITS = 64,
};

#define SELECT_READ  (POLL_IN | POLL_HUP | POLL_ERR)
#define SELECT_WRITE (POLL_OUT | POLL_ERR)
#define SELECT_OTHER POLL_PRI

struct guest_pollfd {
    int32_t fd;
    int16_t events, result;
};

/* ---- The caller on queues ---- */

static int table_add(struct poller *poller, struct wait_queue *queue)
{
    struct poll_table *table = CONTAINER_OF(poller, struct poll_table, poller);
    if (table->count == table->room) {
        table->error = -ENOMEM;
        return -ENOMEM;
    }
    struct waiter *waiter = &table->slot[table->count++];
    waiter_init(waiter, task_self());
    wait_queue_add(queue, waiter);
    return 0;
}

void poll_table_init(struct poll_table *table, struct waiter *slots, unsigned room)
{
    *table = (struct poll_table){ .poller.add = table_add, .slot = slots, .room = room };
}

void poll_table_end(struct poll_table *table)
{
    for (unsigned i = 0; i < table->count; i++)
        wait_queue_remove(&table->slot[i]);
    table->count = 0;
}

uint32_t file_poll(struct file *file, struct poller *poller)
{
    uint32_t events = POLL_IN | POLL_OUT;
    if (file->ops->poll != NULL)
        events = file->ops->poll(file, poller);
    /* Other names of the same. */
    events |= (events & POLL_IN) != 0 ? POLL_READ_NORMAL : 0;
    events |= (events & POLL_OUT) != 0 ? POLL_WRITE_NORMAL : 0;
    return events;
}

/* ---- poll ---- */

/* Everything for one call: few descriptors fit without memory. Files stay counted until the end, so
 * that a queue does not go away under us. */
struct poll_call {
    struct poll_table table;
    struct guest_pollfd *fd;
    struct file **file;
    unsigned count;
    void *memory;
    struct guest_pollfd few_fd[POLL_FEW];
    struct file *few_file[POLL_FEW];
    struct waiter few_slot[POLL_FEW * QUEUES_PER_FILE];
};

static int call_begin(struct poll_call *call, unsigned count)
{
    size_t each = sizeof(struct waiter) * QUEUES_PER_FILE + sizeof(struct file *) +
                  sizeof(struct guest_pollfd);
    call->count = count;
    call->memory = NULL;
    if (count <= POLL_FEW) {
        call->fd = call->few_fd;
        call->file = call->few_file;
        poll_table_init(&call->table, call->few_slot, ARRAY_LEN(call->few_slot));
    } else {
        call->memory = heap_alloc_array(count, each);
        if (call->memory == NULL)
            return -ENOMEM;
        struct waiter *slots = call->memory;
        call->file = (struct file **)(slots + (size_t)count * QUEUES_PER_FILE);
        call->fd = (struct guest_pollfd *)(call->file + count);
        poll_table_init(&call->table, slots, count * QUEUES_PER_FILE);
    }
    memset(call->file, 0, count * sizeof(struct file *));
    return 0;
}

static void call_end(struct poll_call *call)
{
    poll_table_end(&call->table);
    for (unsigned i = 0; i < call->count; i++) {
        if (call->file[i] != NULL)
            file_put(call->file[i]);
    }
    heap_free(call->memory);
}

static bool look_at(struct poll_call *call, unsigned index, struct poller *poller)
{
    struct guest_pollfd *fd = &call->fd[index];
    struct file *file = call->file[index];
    fd->result = 0;
    if (fd->fd < 0)
        return false;
    uint32_t events = POLL_NVAL;
    if (file != NULL)
        events = file_poll(file, poller) & ((uint16_t)fd->events | POLL_ERR | POLL_HUP);
    fd->result = (int16_t)events;
    return events != 0;
}

/* How many are ready; 0 at the deadline. The call's files are open. */
static int64_t call_wait(struct poll_call *call, uint64_t deadline_ns)
{
    struct poller *poller = &call->table.poller;
    for (;;) {
        int64_t ready = 0;
        for (unsigned i = 0; i < call->count; i++) {
            ready += look_at(call, i, poller);
            if (ready > 0)
                poller = NULL; /* nobody will sleep */
        }
        if (ready > 0)
            return ready;
        poller = NULL;
        if (call->table.error != 0)
            return call->table.error;
        int error = task_sleep(deadline_ns);
        if (error != 0)
            return error == -ETIMEDOUT ? 0 : error;
    }
}

static int64_t poll_until(uaddr_t fds, uint32_t count, uint64_t deadline_ns)
{
    struct poll_call call;
    if (count > resource_limit(RLIMIT_NOFILE))
        return -EINVAL;
    int64_t result = call_begin(&call, count);
    if (result != 0)
        return result;
    result = copy_in(call.fd, fds, count * sizeof(*call.fd));
    if (result == 0) {
        for (unsigned i = 0; i < count; i++)
            call.file[i] = call.fd[i].fd >= 0 ? fd_get(call.fd[i].fd) : NULL;
        result = call_wait(&call, deadline_ns);
    }
    for (unsigned i = 0; i < count && result >= 0; i++) {
        uaddr_t at = fds + i * sizeof(*call.fd) + offsetof(struct guest_pollfd, result);
        if (copy_out(at, &call.fd[i].result, sizeof(call.fd[i].result)) != 0)
            result = -EFAULT;
    }
    call_end(&call);
    return result;
}

static int64_t poll_again(struct task *task);

static int64_t poll_or_again(uaddr_t fds, uint32_t count, uint64_t deadline_ns)
{
    int64_t result = poll_until(fds, count, deadline_ns);
    if (result != -ERESTARTSYS)
        return result;
    struct task *task = task_self();
    task->restart = poll_again;
    task->restart_deadline_ns = deadline_ns;
    task->restart_word[0] = fds;
    task->restart_word[1] = count;
    return -ERESTART_RESTARTBLOCK;
}

static int64_t poll_again(struct task *task)
{
    return poll_or_again(task->restart_word[0], (uint32_t)task->restart_word[1],
                         task->restart_deadline_ns);
}

int64_t linux_poll(uaddr_t fds, uint32_t count, int32_t timeout_ms)
{
    uint64_t deadline_ns = MACHINE_NEVER;
    if (timeout_ms >= 0)
        deadline_ns = machine_now_ns() + (uint64_t)timeout_ms * 1000000;
    return poll_or_again(fds, count, deadline_ns);
}

/* Linux says in the timeout how much of it is left. */
static void tell_left(uaddr_t timeout, uint64_t deadline_ns, bool micro)
{
    uint64_t now_ns = machine_now_ns();
    uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    if (timeout == 0 || deadline_ns == MACHINE_NEVER)
        return;
    if (!micro) {
        (void)time_out(timeout, left_ns);
        return;
    }
    const int64_t value[2] = { (int64_t)(left_ns / 1000000000),
                               (int64_t)(left_ns % 1000000000 / 1000) };
    (void)copy_out(timeout, value, sizeof(value));
}

static int64_t mask_begin(uaddr_t mask, uint64_t mask_bytes)
{
    return mask == 0 ? 0 : signal_mask_for_call(mask, mask_bytes);
}

static int64_t mask_end(uaddr_t mask, int64_t result)
{
    if (result == -ERESTARTSYS)
        result = -ERESTARTNOHAND;
    if (mask != 0)
        signal_mask_call_ends(result);
    return result;
}

int64_t linux_ppoll(uaddr_t fds, uint32_t count, uaddr_t timeout, uaddr_t mask, uint64_t mask_bytes)
{
    uint64_t deadline_ns;
    int64_t result = timeout_in(timeout, &deadline_ns);
    if (result == 0)
        result = mask_begin(mask, mask_bytes);
    if (result != 0)
        return result;
    result = poll_until(fds, count, deadline_ns);
    tell_left(timeout, deadline_ns, false);
    return mask_end(mask, result);
}

/* ---- select ---- */

struct select_sets {
    uint64_t *word[3]; /* what is wanted: read, write, other */
    unsigned words;
    unsigned count; /* descriptors that are in any */
};

static bool in_set(const struct select_sets *sets, unsigned which, unsigned fd)
{
    return (sets->word[which][fd / WORD_BITS] >> fd % WORD_BITS & 1) != 0;
}

static int sets_in(struct select_sets *sets, unsigned fds, const uaddr_t from[3])
{
    sets->words = (fds + WORD_BITS - 1) / WORD_BITS;
    for (unsigned i = 0; i < 3; i++) {
        if (from[i] != 0 && copy_in(sets->word[i], from[i], sets->words * 8ull) != 0)
            return -EFAULT;
    }
    for (unsigned fd = 0; fd < fds; fd++)
        sets->count += in_set(sets, 0, fd) || in_set(sets, 1, fd) || in_set(sets, 2, fd);
    return 0;
}

/* -EBADF: a descriptor that is none. */
static int sets_open(const struct select_sets *sets, unsigned fds, struct poll_call *call)
{
    unsigned index = 0;
    for (unsigned fd = 0; fd < fds; fd++) {
        uint32_t events = (in_set(sets, 0, fd) ? SELECT_READ : 0) |
                          (in_set(sets, 1, fd) ? SELECT_WRITE : 0) |
                          (in_set(sets, 2, fd) ? SELECT_OTHER : 0);
        if (events == 0)
            continue;
        call->fd[index] = (struct guest_pollfd){ .fd = (int32_t)fd, .events = (int16_t)events };
        call->file[index] = fd_get((int)fd);
        if (call->file[index] == NULL)
            return -EBADF;
        index++;
    }
    return 0;
}

/* What is ready, in place of what was wanted; how many bits. */
static int64_t sets_result(struct select_sets *sets, const struct poll_call *call)
{
    static const uint32_t meaning[3] = { SELECT_READ, SELECT_WRITE, SELECT_OTHER };
    int64_t bits = 0;
    for (unsigned i = 0; i < call->count; i++) {
        unsigned fd = (unsigned)call->fd[i].fd;
        for (unsigned which = 0; which < 3; which++) {
            uint64_t bit = (uint64_t)1 << fd % WORD_BITS;
            if (!in_set(sets, which, fd))
                continue;
            if (((uint16_t)call->fd[i].result & meaning[which]) != 0)
                bits++;
            else
                sets->word[which][fd / WORD_BITS] &= ~bit;
        }
    }
    return bits;
}

static int64_t select_open(struct select_sets *sets, unsigned fds, uint64_t deadline_ns)
{
    struct poll_call call;
    int64_t result = call_begin(&call, sets->count);
    if (result != 0)
        return result;
    result = sets_open(sets, fds, &call);
    if (result == 0)
        result = call_wait(&call, deadline_ns);
    if (result >= 0)
        result = sets_result(sets, &call);
    call_end(&call);
    return result;
}

static int64_t select_until(int32_t fds, const uaddr_t set[3], uint64_t deadline_ns)
{
    struct select_sets sets = { 0 };
    if (fds < 0)
        return -EINVAL;
    unsigned count = MIN((unsigned)fds, (unsigned)SELECT_MAX);
    size_t words = (count + WORD_BITS - 1) / WORD_BITS;
    uint64_t *memory = heap_alloc_array(words * 3 + 1, sizeof(*memory));
    if (memory == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < 3; i++)
        sets.word[i] = memory + words * i;
    int64_t result = sets_in(&sets, count, set);
    if (result == 0)
        result = select_open(&sets, count, deadline_ns);
    for (unsigned i = 0; i < 3 && result >= 0; i++) {
        if (set[i] != 0 && copy_out(set[i], sets.word[i], words * 8) != 0)
            result = -EFAULT;
    }
    heap_free(memory);
    return result;
}

int64_t linux_select(int32_t fds, uaddr_t read_set, uaddr_t write_set, uaddr_t other_set,
                     uaddr_t timeout)
{
    const uaddr_t set[3] = { read_set, write_set, other_set };
    uint64_t deadline_ns = MACHINE_NEVER;
    if (timeout != 0) {
        uint64_t ns;
        int error = timeval_in(timeout, &ns);
        if (error == 0)
            error = time_deadline(CLOCK_MONOTONIC, ns, false, &deadline_ns);
        if (error != 0)
            return error;
    }
    int64_t result = select_until(fds, set, deadline_ns);
    tell_left(timeout, deadline_ns, true);
    return result == -ERESTARTSYS ? -ERESTARTNOHAND : result;
}

int64_t linux_pselect6(int32_t fds, uaddr_t read_set, uaddr_t write_set, uaddr_t other_set,
                       uaddr_t timeout, uaddr_t mask_pair)
{
    const uaddr_t set[3] = { read_set, write_set, other_set };
    uint64_t mask[2] = { 0, 0 }; /* where it is, and its size */
    uint64_t deadline_ns;
    int64_t result = timeout_in(timeout, &deadline_ns);
    if (result == 0 && mask_pair != 0)
        result = copy_in(mask, mask_pair, sizeof(mask));
    if (result == 0)
        result = mask_begin(mask[0], mask[1]);
    if (result != 0)
        return result;
    result = select_until(fds, set, deadline_ns);
    tell_left(timeout, deadline_ns, false);
    return mask_end(mask[0], result);
}
