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
    bool ended;
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

static const struct file_ops input_ops = {
    .read = input_read,
    .poll = input_poll,
    .ioctl = input_ioctl,
    .release = stream_release,
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

static int stream_create(const struct file_ops *ops, struct session *session, uint32_t flags,
                         uint64_t number, struct file **file_out)
{
    struct node *node = NULL;
    int error = anonymous_node(S_IFIFO | 0600, &node);
    if (error == 0)
        error = file_create(ops, flags, session_get(session), file_out);
    if (error != 0) {
        if (node != NULL) {
            node_put(node);
            session_put(session);
        }
        return error;
    }
    (*file_out)->position = number;
    file_set_node(*file_out, node);
    return 0;
}

static int input_create(struct session *session, bool input, struct file **file_out)
{
    if (!input)
        return stream_create(&null_ops, session, O_RDONLY, 0, file_out);
    session->input = heap_alloc(sizeof(*session->input));
    if (session->input == NULL)
        return -ENOMEM;
    wait_queue_init(&session->input->queue);
    return stream_create(&input_ops, session, O_RDONLY, 0, file_out);
}

int stdio_create(struct session *session, bool input, struct file_table **table_out)
{
    struct file *file = NULL;
    int error = file_table_create(table_out);
    if (error != 0)
        return error;
    for (int fd = 0; fd < 3 && error == 0; fd++) {
        error = fd == 0 ? input_create(session, input, &file)
                        : stream_create(&output_ops, session, O_WRONLY, (uint64_t)fd, &file);
        if (error == 0)
            error = file_table_put_file(*table_out, fd, file);
    }
    if (error != 0)
        file_table_put(*table_out);
    return error;
}
