/* Character devices: who has which numbers, and those that are memory. null(4), random(4), full(4).
 */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/file_impl.h>
#include <linux/machine.h>
#include <linux/task.h>

static struct list classes = { &classes, &classes };
static struct rt_lock classes_lock;
static int (*opens_fifo)(struct node *node, struct file *file);

void device_register(struct device_class *devices)
{
    rt_lock(&classes_lock);
    list_push_back(&classes, &devices->link);
    rt_unlock(&classes_lock);
}

void fifo_register(int (*open)(struct node *node, struct file *file))
{
    opens_fifo = open;
}

int fifo_open(struct node *node, struct file *file)
{
    return opens_fifo == NULL ? -ENXIO : opens_fifo(node, file);
}

static int memory_open(struct node *node, struct file *file);
static struct device_class memory_devices = {
    .major = 1, .minor = 0, .count = 16, .open = memory_open
};

static bool holds(const struct device_class *devices, uint64_t device)
{
    uint32_t minor = device_minor(device);
    return devices->major == device_major(device) && minor >= devices->minor &&
           minor - devices->minor < devices->count;
}

int device_open(struct node *node, struct file *file)
{
    uint64_t device = node->attributes.device;
    int (*open)(struct node *, struct file *) = holds(&memory_devices, device) ? memory_open : NULL;
    rt_lock(&classes_lock);
    LIST_FOR_EACH(link, &classes)
    {
        const struct device_class *devices = CONTAINER_OF(link, struct device_class, link);
        if (open == NULL && holds(devices, device))
            open = devices->open;
    }
    rt_unlock(&classes_lock);
    return open == NULL ? -ENXIO : open(node, file);
}

/* ---- Memory ---- */

enum { DEVICE_NULL = 3, DEVICE_ZERO = 5, DEVICE_FULL = 7, DEVICE_RANDOM = 8, DEVICE_URANDOM = 9 };

static int64_t read_nothing(struct file *file, struct io *io, uint64_t *position)
{
    (void)file;
    (void)io;
    (void)position;
    return 0;
}

/* Gigabytes may be asked for: who has a signal to take gets what there is by then. */
static int64_t read_zeroes(struct file *file, struct io *io, uint64_t *position)
{
    const uint64_t step = 16ull * MACHINE_PAGE;
    (void)file;
    (void)position;
    int64_t done = 0;
    do {
        int64_t moved = io_zero(io, MIN(io->left, step));
        if (moved <= 0)
            return done != 0 ? done : moved;
        done += moved;
    } while (io->left > 0 && !signal_wanted(task_self()));
    return done;
}

static int64_t read_random(struct file *file, struct io *io, uint64_t *position)
{
    (void)file;
    (void)position;
    return io_random(io);
}

/* All of it is taken, and nothing is looked at, as Linux does. */
static int64_t write_away(struct file *file, struct io *io, uint64_t *position)
{
    (void)file;
    (void)position;
    return (int64_t)io->left;
}

static int64_t write_full(struct file *file, struct io *io, uint64_t *position)
{
    (void)file;
    (void)io;
    (void)position;
    return -ENOSPC;
}

static int64_t seek_nowhere(struct file *file, int64_t offset, int whence)
{
    (void)file;
    (void)offset;
    (void)whence;
    return 0;
}

/* A mapping of /dev/zero does not come here: it is anonymous memory (mm_map asks file_is_zero). */
static int no_pages(struct file *file, uint64_t offset, bool write, struct memory **memory_out,
                    uint64_t *offset_out, uint64_t *bytes_out)
{
    (void)file;
    (void)offset;
    (void)write;
    (void)memory_out;
    (void)offset_out;
    (void)bytes_out;
    return -ENODEV;
}

static int64_t random_ioctl(struct file *file, uint32_t request, uint64_t argument)
{
    (void)file;
    (void)request;
    (void)argument;
    return -EINVAL;
}

static const struct file_ops null_ops = {
    .read = read_nothing, .write = write_away, .seek = seek_nowhere, .pages = no_pages
};
static const struct file_ops zero_ops = {
    .read = read_zeroes, .write = write_away, .seek = seek_nowhere, .pages = no_pages
};
static const struct file_ops full_ops = {
    .read = read_zeroes, .write = write_full, .seek = seek_nowhere, .pages = no_pages
};
static const struct file_ops random_ops = { .read = read_random,
                                            .write = write_away,
                                            .seek = seek_nowhere,
                                            .ioctl = random_ioctl,
                                            .pages = no_pages };

static int memory_open(struct node *node, struct file *file)
{
    switch (device_minor(node->attributes.device)) {
    case DEVICE_NULL:
        file->ops = &null_ops;
        return 0;
    case DEVICE_ZERO:
        file->ops = &zero_ops;
        return 0;
    case DEVICE_FULL:
        file->ops = &full_ops;
        return 0;
    case DEVICE_RANDOM:
    case DEVICE_URANDOM:
        file->ops = &random_ops;
        return 0;
    default:
        return -ENXIO;
    }
}

bool file_is_zero(const struct file *file)
{
    return file->ops == &zero_ops;
}
