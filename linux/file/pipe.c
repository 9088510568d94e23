/* Pipes and named pipes: a ring of bytes between two sides. pipe(7), fifo(7).
 *
 * Locking: pipe->lock (`channel`). Readers and writers sleep without it, on a queue each.
 */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/ioctl.h>
#include <linux/abi/signal.h>
#include <linux/anonymous.h>
#include <linux/calls.h>
#include <linux/file.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/pipe.h>
#include <linux/signals.h>
#include <linux/task.h>

enum { PIPE_BUF = 4096, PIPE_BYTES_MAX = 1 << 20 };

struct pipe {
    uint32_t references; /* atomic: files, and the node of a named pipe */
    struct rt_lock lock;
    uint8_t *bytes;
    uint32_t room;       /* a power of two */
    uint32_t head, fill; /* where the oldest byte is, and how many there are */
    uint32_t readers, writers;
    bool polled;                       /* atomic: who watches for edges hears of every write */
    uint32_t reader_turn, writer_turn; /* count openings: who opens waits for the other side's */
    struct wait_queue read_queue, write_queue;
};

/* ---- A pipe ---- */

static struct pipe *pipe_create(void)
{
    struct pipe *pipe = heap_alloc(sizeof(*pipe));
    if (pipe == NULL)
        return NULL;
    pipe->bytes = heap_alloc(PIPE_BYTES);
    if (pipe->bytes == NULL) {
        heap_free(pipe);
        return NULL;
    }
    pipe->references = 1;
    pipe->room = PIPE_BYTES;
    wait_queue_init(&pipe->read_queue);
    wait_queue_init(&pipe->write_queue);
    return pipe;
}

static struct pipe *pipe_get(struct pipe *pipe)
{
    (void)__atomic_fetch_add(&pipe->references, 1, __ATOMIC_RELAXED);
    return pipe;
}

static void pipe_put(struct pipe *pipe)
{
    if (__atomic_sub_fetch(&pipe->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    heap_free(pipe->bytes);
    heap_free(pipe);
}

static struct pipe *pipe_of(struct file *file)
{
    return file->data;
}

/* ---- Bytes ---- */

/* Up to the end of the ring, so twice at most. Bytes moved, or an error if none were. */
static int64_t take(struct pipe *pipe, struct io *io)
{
    int64_t done = 0;
    while (pipe->fill > 0 && io->left > 0) {
        uint32_t part = MIN(pipe->fill, pipe->room - pipe->head);
        int64_t moved = io_to(io, pipe->bytes + pipe->head, MIN((uint64_t)part, io->left));
        if (moved <= 0)
            return done > 0 ? done : moved;
        pipe->head = (pipe->head + (uint32_t)moved) & (pipe->room - 1);
        pipe->fill -= (uint32_t)moved;
        done += moved;
    }
    return done;
}

static int64_t put(struct pipe *pipe, struct io *io)
{
    int64_t done = 0;
    while (pipe->fill < pipe->room && io->left > 0) {
        uint32_t tail = (pipe->head + pipe->fill) & (pipe->room - 1);
        uint32_t part = MIN(pipe->room - pipe->fill, pipe->room - tail);
        int64_t moved = io_from(io, pipe->bytes + tail, MIN((uint64_t)part, io->left));
        if (moved <= 0)
            return done > 0 ? done : moved;
        pipe->fill += (uint32_t)moved;
        done += moved;
    }
    return done;
}

/* Until somebody changes the pipe. 0, or why not. */
static int pipe_sleep(struct file *file, struct waiter *waiter, struct wait_queue *queue)
{
    if (file_nonblocking(file))
        return -EAGAIN;
    if (waiter->queue == NULL) {
        wait_queue_add(queue, waiter);
        return 0; /* look again first: it may have changed before we were on the queue */
    }
    return task_sleep(MACHINE_NEVER);
}

static int64_t pipe_read(struct file *file, struct io *io, uint64_t *position)
{
    struct pipe *pipe = pipe_of(file);
    struct waiter waiter;
    int64_t done = 0;
    (void)position;
    if (io->left == 0)
        return 0;
    waiter_init(&waiter, task_self());
    for (;;) {
        rt_lock(&pipe->lock);
        bool full = pipe->room - pipe->fill < PIPE_BUF;
        bool end = pipe->fill == 0 && pipe->writers == 0;
        done = take(pipe, io);
        bool woken = done > 0 && full;
        bool more = pipe->fill > 0;
        rt_unlock(&pipe->lock);
        if (woken)
            wait_queue_wake(&pipe->write_queue, POLL_OUT);
        if (done > 0 && more)
            wait_queue_wake_one(&pipe->read_queue, POLL_IN);
        if (done != 0 || end)
            break;
        done = pipe_sleep(file, &waiter, &pipe->read_queue);
        if (done != 0)
            break;
    }
    wait_queue_remove(&waiter);
    return done;
}

static void broken_pipe(void)
{
    struct task *task = task_self();
    const struct signal_info info = {
        .number = SIGPIPE,
        .code = SI_USER,
        .of.queue.pid = task->process->pid,
        .of.queue.uid = task->cred->uid,
    };
    (void)signal_send_task(task, &info);
}

/* What fits now; up to PIPE_BUF bytes go in together or not at all. -EPIPE: nobody can read. */
static int64_t write_some(struct pipe *pipe, struct io *io)
{
    rt_lock(&pipe->lock);
    bool tell = pipe->fill == 0 || READ_ONCE(pipe->polled);
    int64_t done = 0;
    if (pipe->readers == 0)
        done = -EPIPE;
    else if (io->left > PIPE_BUF || pipe->room - pipe->fill >= io->left)
        done = put(pipe, io);
    rt_unlock(&pipe->lock);
    if (done > 0 && tell)
        wait_queue_wake(&pipe->read_queue, POLL_IN);
    return done;
}

static int64_t pipe_write(struct file *file, struct io *io, uint64_t *position)
{
    struct pipe *pipe = pipe_of(file);
    struct waiter waiter;
    int64_t all = 0;
    (void)position;
    waiter_init(&waiter, task_self());
    while (io->left > 0) {
        int64_t done = write_some(pipe, io);
        if (done == 0)
            done = pipe_sleep(file, &waiter, &pipe->write_queue);
        else if (done > 0)
            all += done;
        if (done < 0) {
            if (done == -EPIPE)
                broken_pipe();
            all = all > 0 ? all : done;
            break;
        }
    }
    wait_queue_remove(&waiter);
    return all;
}

/* ---- Polling and control ---- */

static uint32_t pipe_poll(struct file *file, struct poller *poller)
{
    struct pipe *pipe = pipe_of(file);
    uint32_t events = 0;
    if (poller != NULL && !READ_ONCE(pipe->polled))
        __atomic_store_n(&pipe->polled, true, __ATOMIC_RELAXED);
    if (poller != NULL && file_readable(file))
        (void)poller->add(poller, &pipe->read_queue);
    if (poller != NULL && file_writable(file))
        (void)poller->add(poller, &pipe->write_queue);
    rt_lock(&pipe->lock);
    if (file_readable(file)) {
        events |= pipe->fill > 0 ? POLL_IN : 0;
        /* A named pipe that nobody has opened for writing since is not at its end. */
        bool had = pipe->writer_turn != (uint32_t)file->position;
        events |= pipe->writers == 0 && had ? POLL_HUP : 0;
    }
    if (file_writable(file)) {
        events |= pipe->room - pipe->fill >= PIPE_BUF ? POLL_OUT : 0;
        events |= pipe->readers == 0 ? POLL_ERR : 0;
    }
    rt_unlock(&pipe->lock);
    return events;
}

static int64_t pipe_ioctl(struct file *file, uint32_t request, uint64_t argument)
{
    struct pipe *pipe = pipe_of(file);
    if (request != FIONREAD)
        return -ENOTTY;
    rt_lock(&pipe->lock);
    int32_t fill = (int32_t)pipe->fill;
    rt_unlock(&pipe->lock);
    return copy_out(argument, &fill, sizeof(fill));
}

static int64_t pipe_resize(struct pipe *pipe, uint64_t wanted)
{
    if (wanted > PIPE_BYTES_MAX)
        return wanted > INT32_MAX ? -EINVAL : -EPERM;
    uint32_t room = PIPE_BUF;
    while (room < wanted)
        room *= 2;
    uint8_t *bytes = heap_alloc(room);
    uint8_t *old = bytes;
    int64_t result = -ENOMEM;
    if (bytes == NULL)
        return result;
    rt_lock(&pipe->lock);
    result = -EBUSY;
    if (pipe->fill <= room) {
        uint32_t first = MIN(pipe->fill, pipe->room - pipe->head);
        memcpy(bytes, pipe->bytes + pipe->head, first);
        memcpy(bytes + first, pipe->bytes, pipe->fill - first);
        old = pipe->bytes;
        pipe->bytes = bytes;
        pipe->room = room;
        pipe->head = 0;
        result = room;
    }
    rt_unlock(&pipe->lock);
    heap_free(old);
    if (result > 0)
        wait_queue_wake(&pipe->write_queue, POLL_OUT);
    return result;
}

static int64_t pipe_control(struct file *file, int command, uint64_t argument)
{
    struct pipe *pipe = pipe_of(file);
    if (command == F_SETPIPE_SZ)
        return pipe_resize(pipe, argument);
    return command == F_GETPIPE_SZ ? (int64_t)READ_ONCE(pipe->room) : -EINVAL;
}

static void pipe_release(struct file *file)
{
    struct pipe *pipe = pipe_of(file);
    rt_lock(&pipe->lock);
    pipe->readers -= file_readable(file);
    pipe->writers -= file_writable(file);
    bool nobody = pipe->readers == 0 && pipe->writers == 0;
    if (nobody)
        pipe->fill = pipe->head = 0; /* a named pipe forgets */
    rt_unlock(&pipe->lock);
    wait_queue_wake(&pipe->read_queue, POLL_IN | POLL_HUP);
    wait_queue_wake(&pipe->write_queue, POLL_OUT | POLL_ERR);
    pipe_put(pipe);
}

static int64_t pipe_describe(struct file *file, char *to, size_t size_bytes)
{
    return file->path.mount != NULL ? path_text(&file->path, to, size_bytes)
                                    : anonymous_text("pipe", file, to, size_bytes);
}

static const struct file_ops pipe_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .control = pipe_control,
    .ioctl = pipe_ioctl,
    .release = pipe_release,
    .describe = pipe_describe,
};

/* ---- pipe2 ---- */

static void forget_pipe(void *special)
{
    pipe_put(special);
}

/* Who is counted on the other side from this moment, and how often that side was opened before. */
struct other_side {
    uint32_t readers, writers, reader_turn, writer_turn;
};

static struct other_side open_side(struct pipe *pipe, struct file *file)
{
    rt_lock(&pipe->lock);
    const struct other_side found = { pipe->readers, pipe->writers, pipe->reader_turn,
                                      pipe->writer_turn };
    if (file_readable(file)) {
        pipe->readers++;
        (void)__atomic_fetch_add(&pipe->reader_turn, 1, __ATOMIC_RELEASE);
    }
    if (file_writable(file)) {
        pipe->writers++;
        (void)__atomic_fetch_add(&pipe->writer_turn, 1, __ATOMIC_RELEASE);
    }
    rt_unlock(&pipe->lock);
    return found;
}

static int side_create(struct pipe *pipe, uint32_t flags, struct file **file_out)
{
    int error = file_create(&pipe_ops, flags, pipe, file_out);
    if (error != 0)
        return error;
    (void)pipe_get(pipe);
    (*file_out)->position = UINT32_MAX; /* its writers were there: see pipe_poll */
    (void)open_side(pipe, *file_out);
    return 0;
}

int pipe_pair(uint32_t flags, struct file *side_out[2])
{
    struct pipe *pipe = pipe_create();
    struct node *node = NULL;
    if (pipe == NULL)
        return -ENOMEM;
    int error = anonymous_node(S_IFIFO | 0600, &node);
    if (error == 0)
        error = side_create(pipe, O_RDONLY | flags, &side_out[0]);
    if (error == 0) {
        error = side_create(pipe, O_WRONLY | flags, &side_out[1]);
        if (error != 0)
            file_put(side_out[0]);
    }
    if (error == 0) {
        /* Who opens it again by /proc/PID/fd gets the same pipe. */
        node->special = pipe_get(pipe);
        node->special_free = forget_pipe;
        file_set_node(side_out[0], node_get(node));
        file_set_node(side_out[1], node_get(node));
    }
    pipe_put(pipe);
    if (node != NULL)
        node_put(node);
    return error;
}

static int install(struct file *side[2], unsigned fd_flags, uaddr_t to)
{
    int32_t fd[2];
    fd[0] = fd_install(side[0], 0, fd_flags);
    if (fd[0] < 0) {
        file_put(side[0]);
        file_put(side[1]);
        return fd[0];
    }
    fd[1] = fd_install(side[1], 0, fd_flags);
    int error = fd[1] < 0 ? fd[1] : copy_out(to, fd, sizeof(fd));
    if (error == 0)
        return 0;
    if (fd[1] < 0)
        file_put(side[1]);
    else
        (void)fd_close(fd[1]);
    (void)fd_close(fd[0]);
    return error;
}

/* O_DIRECT would keep packets apart, which a ring of bytes does not. */
int64_t linux_pipe2(uaddr_t to, uint32_t flags)
{
    flags = open_flags_from_guest(flags);
    if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) != 0)
        return -EINVAL;
    struct file *side[2];
    int error = pipe_pair(flags & O_NONBLOCK, side);
    if (error != 0)
        return error;
    return install(side, (flags & O_CLOEXEC) != 0 ? FD_CLOSE_ON_EXEC : 0, to);
}

int64_t linux_pipe(uaddr_t to)
{
    return linux_pipe2(to, 0);
}

/* ---- Named pipes ---- */

/* That of the node, made by the first who opens it. */
static struct pipe *pipe_of_node(struct node *node)
{
    struct pipe *made = NULL;
    for (;;) {
        rt_lock(&node->lock);
        if (node->special == NULL && made != NULL) {
            node->special = made;
            node->special_free = forget_pipe;
            made = NULL;
        }
        struct pipe *pipe = node->special != NULL ? pipe_get(node->special) : NULL;
        rt_unlock(&node->lock);
        if (pipe != NULL) {
            if (made != NULL)
                pipe_put(made);
            return pipe;
        }
        made = pipe_create();
        if (made == NULL)
            return NULL;
    }
}

/* Until the other side has been opened since, even if it has gone again. */
static int wait_for_side(struct wait_queue *queue, const uint32_t *turn, uint32_t before)
{
    struct waiter waiter;
    int error = 0;
    waiter_init(&waiter, task_self());
    wait_queue_add(queue, &waiter);
    while (error == 0 && __atomic_load_n(turn, __ATOMIC_ACQUIRE) == before)
        error = task_sleep(MACHINE_NEVER);
    wait_queue_remove(&waiter);
    return error;
}

/* What `found` says was true when we were counted. One that was there may have seen us, done its
 * work and gone since, so what is there now says nothing. */
static int fifo_meet(struct pipe *pipe, const struct file *file, const struct other_side *found)
{
    bool reads = file_readable(file), writes = file_writable(file);
    if (reads && !writes && !file_nonblocking(file) && found->writers == 0)
        return wait_for_side(&pipe->read_queue, &pipe->writer_turn, found->writer_turn);
    if (writes && !reads && found->readers == 0)
        return file_nonblocking(file)
                   ? -ENXIO
                   : wait_for_side(&pipe->write_queue, &pipe->reader_turn, found->reader_turn);
    return 0;
}

int fifo_open_node(struct node *node, struct file *file)
{
    bool reads = file_readable(file), writes = file_writable(file);
    bool named = file->path.mount != NULL;
    struct pipe *pipe = pipe_of_node(node);
    if (pipe == NULL)
        return -ENOMEM;
    if (named && writes && !reads && file_nonblocking(file) &&
        __atomic_load_n(&pipe->readers, __ATOMIC_ACQUIRE) == 0) {
        pipe_put(pipe);
        return -ENXIO;
    }
    file->ops = &pipe_ops;
    file->data = pipe;
    const struct other_side found = open_side(pipe, file);
    file->position = named && reads && found.writers == 0 ? found.writer_turn : UINT32_MAX;
    wait_queue_wake(&pipe->read_queue, 0);
    wait_queue_wake(&pipe->write_queue, 0);
    int error = named ? fifo_meet(pipe, file, &found) : 0;
    if (error != 0) {
        pipe_release(file);
        file->ops = NULL;
        file->data = NULL;
    }
    return error;
}
