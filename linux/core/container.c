/* The container's beginning, and what its creator asks for later. */
#include <base/compiler.h>
#include <base/fmt.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/container.h>
#include <linux/core.h>
#include <linux/heap.h>
#include <linux/limits.h>
#include <linux/machine.h>
#include <linux/mounts.h>
#include <linux/pipe.h>
#include <linux/pool.h>
#include <linux/tty.h>
#include <rt/ring.h>

enum { EXEC_SESSIONS_MAX = 4, REFUSALS_MAX = 64 };
#define POOL_BYTES_MIN ((uint64_t)64 << 20)
#define POOL_BYTES_MAX ((uint64_t)64 << 30)
#define POOL_SPARSE    3
#define POOL_STEP      ((uint64_t)2 << 20)

static void must(int error, const char *what)
{
    if (error != 0)
        machine_panic("linux: cannot begin: %s (error %d)", what, -error);
}

/* ---- What we were given ---- */

/* For good: the mapping lives as long as the capability. */
static void *map_given(const char *name, uint64_t size_bytes, uint32_t access)
{
    struct memory *memory;
    void *at = NULL;
    uint64_t span = ALIGN_UP(size_bytes, (uint64_t)MACHINE_PAGE);
    must(machine_given_memory(name, span, &memory), name);
    must(machine_map(memory, 0, span, access, &at), name);
    return at;
}

/* A copy: the creator can still write there. */
static void read_block(struct container_texts *texts)
{
    const struct container_block *head =
        map_given("container", sizeof(struct container_block), MACHINE_READ);
    uint32_t size_bytes = READ_ONCE(head->size_bytes);
    struct container_block *block = NULL;
    if (size_bytes >= sizeof(*block) && size_bytes <= CONTAINER_BLOCK_BYTES_MAX)
        block = heap_alloc(size_bytes);
    must(block == NULL ? -ENOMEM : 0, "the block");
    memcpy(block, map_given("container", size_bytes, MACHINE_READ), size_bytes);
    must(container_texts_take(block, size_bytes, texts), "the block");
}

static void map_layer(unsigned index, uint64_t size_bytes, struct layer *layer)
{
    char name[16];
    void *at;
    (void)format_text(name, sizeof(name), "layer.%u", index);
    uint64_t span = ALIGN_UP(size_bytes, (uint64_t)MACHINE_PAGE);
    must(machine_given_memory(name, span, &layer->memory), name);
    must(machine_map(layer->memory, 0, span, MACHINE_READ, &at), name);
    layer->base = at;
    layer->size_bytes = size_bytes;
}

/* They come lowest first; mounts_start wants the uppermost first. */
static void mount_layers(const struct container_block *block)
{
    static struct layer layers[CONTAINER_LAYER_MAX];
    unsigned count = block->layer_count;
    for (unsigned i = 0; i < count; i++)
        map_layer(i, block->layer_bytes[i], &layers[count - 1 - i]);
    /* Files with holes take far more addresses than memory. */
    uint64_t pool = MAX(MIN(block->memory_bytes, POOL_BYTES_MAX) * POOL_SPARSE, POOL_BYTES_MIN);
    must(pool_create(ALIGN_UP(MIN(pool, POOL_BYTES_MAX), POOL_STEP)), "room for files");
    must(mounts_start(layers, count), "the root file system");
    fifo_register(fifo_open_node);
    terminals_start();
}

/* ---- Commands ---- */

static struct ring commands;
static uint64_t creator_handle, creator_bits; /* constant */
static uint64_t signal_handle;                /* constant */
static struct exec {                          /* blocks that come in pieces */
    uint32_t session;
    uint32_t used;
    uint8_t *bytes; /* heap; NULL: free */
} execs[EXEC_SESSIONS_MAX];
static struct container_entry waiting; /* input that nobody took yet */
static bool is_waiting;

/* Somebody has read: what waits may have room. */
void commands_go_on(void)
{
    if (READ_ONCE(is_waiting))
        machine_signal(signal_handle, 1);
}

static struct exec *exec_of(uint32_t session)
{
    struct exec *free_one = NULL;
    for (unsigned i = 0; i < EXEC_SESSIONS_MAX; i++) {
        if (execs[i].bytes != NULL && execs[i].session == session)
            return &execs[i];
        if (execs[i].bytes == NULL)
            free_one = &execs[i];
    }
    if (free_one == NULL)
        return NULL;
    *free_one = (struct exec){ .session = session, .bytes = heap_alloc(CONTAINER_BLOCK_BYTES_MAX) };
    return free_one->bytes != NULL ? free_one : NULL;
}

/* Sessions that could not be started. This thread makes room for all, so it must not wait for some:
 * what does not fit is said later. */
static struct refusal {
    uint32_t session;
    int error;
} refusals[REFUSALS_MAX];
static unsigned refusal_count;

static void send_refusals(void)
{
    unsigned sent = 0;
    while (sent < refusal_count && events_send(CONTAINER_REFUSED, refusals[sent].session,
                                               (uint32_t)-refusals[sent].error, NULL, true) == 0)
        sent++;
    refusal_count -= sent;
    memmove(refusals, refusals + sent, refusal_count * sizeof(*refusals));
}

/* The creator has fewer sessions than there is room for. */
static void refuse_session(uint32_t session, int error)
{
    if (refusal_count < REFUSALS_MAX)
        refusals[refusal_count++] = (struct refusal){ session, error };
    send_refusals();
}

/* Without room the piece is dropped, and what is left of the block is none: exec_run refuses it. */
static void exec_piece(const struct container_entry *entry)
{
    struct exec *exec = exec_of(entry->session);
    if (exec == NULL)
        return;
    uint32_t room = CONTAINER_BLOCK_BYTES_MAX - exec->used;
    uint32_t part = MIN(entry->size_bytes, room);
    memcpy(exec->bytes + exec->used, entry->data, part);
    exec->used += part;
}

static void exec_run(uint32_t session)
{
    struct container_texts texts;
    struct exec *exec = exec_of(session);
    if (exec == NULL) {
        refuse_session(session, -ENOMEM);
        return;
    }
    struct container_block *block = (struct container_block *)exec->bytes;
    exec->bytes = NULL;
    int error = container_texts_take(block, exec->used, &texts);
    if (error == 0)
        error = session_start(session, &texts);
    if (error != 0)
        refuse_session(session, error);
}

/* False: there is no room for the input yet. */
static bool give_input(const struct container_entry *entry)
{
    struct session *session = session_find(entry->session);
    if (session == NULL)
        return true;
    int error = 0;
    if (session->terminal != NULL)
        error = terminal_input(session->terminal, entry->data,
                               entry->kind == CONTAINER_INPUT ? entry->size_bytes : 0);
    else if (session->input != NULL)
        error = stdio_input(session->input, entry->data,
                            entry->kind == CONTAINER_INPUT ? entry->size_bytes : 0);
    session_put(session);
    return error != -EAGAIN;
}

static void send_signal(const struct container_entry *entry)
{
    struct session *session = session_find(entry->session);
    if (session == NULL)
        return;
    session_signal(session, entry->value);
    session_put(session);
}

static void resize(const struct container_entry *entry)
{
    struct session *session = session_find(entry->session);
    const struct linux_winsize size = { .rows = (uint16_t)(entry->value >> 16),
                                        .columns = (uint16_t)entry->value };
    if (session == NULL)
        return;
    if (session->terminal != NULL)
        tty_resize(session->terminal, &size);
    session_put(session);
}

static bool obey(const struct container_entry *entry)
{
    if (entry->size_bytes > CONTAINER_DATA_BYTES)
        return true;
    switch (entry->kind) {
    case CONTAINER_SIGNAL:
        send_signal(entry);
        return true;
    case CONTAINER_INPUT:
    case CONTAINER_INPUT_END:
        return give_input(entry);
    case CONTAINER_RESIZE:
        resize(entry);
        return true;
    case CONTAINER_EXEC:
        exec_piece(entry);
        return true;
    case CONTAINER_EXEC_RUN:
        exec_run(entry->session);
        return true;
    default:
        return true; /* of a later creator */
    }
}

/* Until there are none, or input has to wait. */
static void obey_all(void)
{
    for (;;) {
        if (is_waiting && !obey(&waiting))
            return;
        WRITE_ONCE(is_waiting, false);
        enum status status = ring_pop(&commands, &waiting);
        if (ring_must_wake(&commands))
            machine_signal(creator_handle, creator_bits);
        if (status == OK)
            WRITE_ONCE(is_waiting, true);
        else if (status != ERR_WOULD_BLOCK || ring_may_sleep(&commands))
            return;
    }
}

/* What programs are told of it; the budget is what holds. */
static void tell_limits(const struct container_block *block)
{
    const struct container_limits limits = {
        .memory_bytes = block->memory_bytes,
        .cpu_quota_us = block->cpu_quota_ns / 1000,
        .cpu_period_us = block->cpu_period_ns / 1000,
        .tasks = block->process_max,
    };
    container_set_limits(&limits);
    processes_limit(block->process_max);
}

static void open_rings(uint64_t bits)
{
    creator_handle = machine_given("creator");
    creator_bits = bits;
    size_t size_bytes = ring_bytes(CONTAINER_EVENTS, sizeof(struct container_entry));
    void *at = map_given("events", size_bytes, MACHINE_READ | MACHINE_WRITE);
    must(events_start(at, size_bytes, creator_handle, creator_bits), "events");
    machine_set_log(events_note);
    size_bytes = ring_bytes(CONTAINER_COMMANDS, sizeof(struct container_entry));
    at = map_given("commands", size_bytes, MACHINE_READ | MACHINE_WRITE);
    enum status status = ring_open_consumer(&commands, at, size_bytes, CONTAINER_COMMANDS,
                                            sizeof(struct container_entry));
    must(status == OK ? 0 : -EINVAL, "commands");
}

_Noreturn void container_main(void)
{
    static struct container_texts texts;
    read_block(&texts);
    machine_set_fused(texts.block->isolation == CONTAINER_FUSED);
    open_rings(texts.block->creator_bits);
    signal_handle = machine_given("sandbox");
    tell_limits(texts.block);
    mount_layers(texts.block);
    host_name_set(texts.hostname, MIN(strlen(texts.hostname), (size_t)HOST_NAME_MAX));
    must(session_start(CONTAINER_FIRST_SESSION, &texts), "the first program");
    for (;;) {
        obey_all();
        machine_wait_signal(signal_handle, MACHINE_NEVER);
        events_room();
        send_refusals();
    }
}
