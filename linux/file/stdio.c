/* Standard input, output and error of a session without a terminal: streams to and from the
 * creator.
 */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/ioctl.h>
#include <linux/anonymous.h>
#include <linux/container.h>
#include <linux/heap.h>
#include <linux/machine.h>

enum { INPUT_BYTES = 64 * 1024 };

/* Locking: lock (`channel`). */
struct stdio_input {
    struct rt_lock lock;
    struct wait_queue queue;
    bool ended;       /* nothing more comes */
    uint32_t readers; /* open files; once there is none again nobody can read any more */
    uint32_t head, fill;
    uint8_t bytes[INPUT_BYTES];
};

/* ---- Output ---- */

static uint32_t kind_of(const struct file *file)
{
    return file->position == 2 ? CONTAINER_ERROR : CONTAINER_OUTPUT;
}

static int64_t output_write(struct file *file, struct io *io, uint64_t *position)
{
    const struct session *session = file->data;
    (void)position;
    if (io->left == 0)
        return 0;
    return events_send(kind_of(file), session->id, 0, io, file_nonblocking(file));
}

static uint32_t output_poll(struct file *file, struct poller *poller)
{
    (void)file;
    if (poller != NULL)
        (void)poller->add(poller, &events_queue);
    return events_has_room() ? POLL_OUT : 0;
}

static void stream_release(struct file *file)
{
    session_put(file->data);
}

static int64_t stream_describe(struct file *file, char *to, size_t size_bytes)
{
    return anonymous_text("pipe", file, to, size_bytes);
}

static const struct file_ops output_ops = {
    .write = output_write,
    .poll = output_poll,
    .release = stream_release,
    .describe = stream_describe,
};

/* ---- Input ---- */

static struct stdio_input *input_of(struct file *file)
{
    return ((struct session *)file->data)->input;
}

static int64_t take(struct stdio_input *input, struct io *io)
{
    int64_t done = 0;
    while (input->fill > 0 && io->left > 0) {
        uint32_t part = MIN(input->fill, (uint32_t)INPUT_BYTES - input->head);
        int64_t moved = io_to(io, input->bytes + input->head, MIN((uint64_t)part, io->left));
        if (moved <= 0)
            return done > 0 ? done : moved;
        input->head = (input->head + (uint32_t)moved) % INPUT_BYTES;
        input->fill -= (uint32_t)moved;
        done += moved;
    }
    return done;
}

static int64_t input_read(struct file *file, struct io *io, uint64_t *position)
{
    struct stdio_input *input = input_of(file);
    struct waiter waiter;
    int64_t done = 0;
    (void)position;
    if (io->left == 0)
        return 0;
    waiter_init(&waiter, task_self());
    wait_queue_add(&input->queue, &waiter);
    for (;;) {
        rt_lock(&input->lock);
        bool ended = input->ended;
        done = take(input, io);
        rt_unlock(&input->lock);
        if (done != 0 || ended)
            break;
        done = file_nonblocking(file) ? -EAGAIN : task_sleep(MACHINE_NEVER);
        if (done != 0)
            break;
    }
    wait_queue_remove(&waiter);
    if (done > 0)
        commands_go_on();
    return done;
}

static uint32_t input_poll(struct file *file, struct poller *poller)
{
    struct stdio_input *input = input_of(file);
    if (poller != NULL)
        (void)poller->add(poller, &input->queue);
    rt_lock(&input->lock);
    uint32_t events = (input->fill > 0 ? POLL_IN : 0) | (input->ended ? POLL_HUP : 0);
    rt_unlock(&input->lock);
    return events;
}

static int64_t input_ioctl(struct file *file, uint32_t request, uint64_t argument)
{
    struct stdio_input *input = input_of(file);
    if (request != FIONREAD)
        return -ENOTTY;
    rt_lock(&input->lock);
    int32_t fill = (int32_t)input->fill;
    rt_unlock(&input->lock);
    return copy_out(argument, &fill, sizeof(fill));
}

static void input_release(struct file *file)
{
    struct stdio_input *input = input_of(file);
    rt_lock(&input->lock);
    bool last = --input->readers == 0;
    input->ended = input->ended || last;
    rt_unlock(&input->lock);
    if (last)
        commands_go_on(); /* what waits for room never gets any */
    stream_release(file);
}

static const struct file_ops input_ops = {
    .read = input_read,
    .poll = input_poll,
    .ioctl = input_ioctl,
    .release = input_release,
    .describe = stream_describe,
};

/* ---- No input ---- */

static int64_t null_read(struct file *file, struct io *io, uint64_t *position)
{
    (void)file;
    (void)io;
    (void)position;
    return 0;
}

static int64_t null_describe(struct file *file, char *to, size_t size_bytes)
{
    (void)file;
    return (int64_t)strlcpy(to, "/dev/null", size_bytes);
}

static const struct file_ops null_ops = {
    .read = null_read,
    .release = stream_release,
    .describe = null_describe,
};

int stdio_input(struct stdio_input *input, const uint8_t *bytes, uint32_t size_bytes)
{
    int error = 0;
    rt_lock(&input->lock);
    if (size_bytes == 0)
        input->ended = true;
    else if (input->ended)
        error = -EPIPE;
    else if (size_bytes > INPUT_BYTES - input->fill)
        error = -EAGAIN;
    for (uint32_t i = 0; i < size_bytes && error == 0; i++)
        input->bytes[(input->head + input->fill++) % INPUT_BYTES] = bytes[i];
    rt_unlock(&input->lock);
    if (error == 0)
        wait_queue_wake(&input->queue, POLL_IN);
    return error;
}

void stdio_input_free(struct stdio_input *input)
{
    heap_free(input);
}

/* ---- A table with all three ---- */

/* What a stream's node keeps, so that /dev/stdout opens it again. */
struct stream {
    struct session *session; /* counted */
    uint64_t number;         /* of the descriptor */
};

static void stream_forget(void *special)
{
    struct stream *stream = special;
    session_put(stream->session);
    heap_free(stream);
}

static const struct file_ops *ops_of(const struct stream *stream)
{
    if (stream->number != 0)
        return &output_ops;
    return stream->session->input != NULL ? &input_ops : &null_ops;
}

/* The file becomes one of the stream's. */
static void stream_attach(const struct stream *stream, struct file *file)
{
    file->ops = ops_of(stream);
    file->data = session_get(stream->session);
    file->position = stream->number;
    if (file->ops != &input_ops)
        return;
    struct stdio_input *input = stream->session->input;
    rt_lock(&input->lock);
    input->readers++;
    rt_unlock(&input->lock);
}

static int stream_open(struct node *node, struct file *file)
{
    const struct stream *stream = node->special;
    if (stream->number == 0 ? file_writable(file) : file_readable(file))
        return -EACCES;
    stream_attach(stream, file);
    return 0;
}

static const struct node_ops stream_node_ops = {
    .set_attributes = anonymous_set,
    .open = stream_open,
    .free = anonymous_free,
};

static int stream_node(struct session *session, uint64_t number, struct node **node_out)
{
    struct stream *stream = heap_alloc(sizeof(*stream));
    if (stream == NULL)
        return -ENOMEM;
    int error = anonymous_node_with(&stream_node_ops, S_IFIFO | 0666, node_out);
    if (error != 0) {
        heap_free(stream);
        return error;
    }
    *stream = (struct stream){ .session = session_get(session), .number = number };
    (*node_out)->special = stream;
    (*node_out)->special_free = stream_forget;
    return 0;
}

static int stream_create(struct session *session, uint64_t number, struct file **file_out)
{
    struct node *node;
    int error = stream_node(session, number, &node);
    if (error != 0)
        return error;
    const struct stream *stream = node->special;
    error = file_create(ops_of(stream), number == 0 ? O_RDONLY : O_WRONLY, NULL, file_out);
    if (error != 0) {
        node_put(node);
        return error;
    }
    stream_attach(stream, *file_out);
    file_set_node(*file_out, node);
    return 0;
}

static int input_create(struct session *session)
{
    session->input = heap_alloc(sizeof(*session->input));
    if (session->input == NULL)
        return -ENOMEM;
    wait_queue_init(&session->input->queue);
    return 0;
}

int stdio_create(struct session *session, bool input, struct file_table **table_out)
{
    struct file *file = NULL;
    int error = input ? input_create(session) : 0;
    if (error == 0)
        error = file_table_create(table_out);
    if (error != 0)
        return error;
    for (int fd = 0; fd < 3 && error == 0; fd++) {
        error = stream_create(session, (uint64_t)fd, &file);
        if (error == 0)
            error = file_table_put_file(*table_out, fd, file);
    }
    if (error != 0)
        file_table_put(*table_out);
    return error;
}
