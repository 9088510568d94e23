/* Pseudo terminals: /dev/ptmx, /dev/pts/N, /dev/tty, /dev/console, and the container's own. pty(7).
 */
#include <base/compiler.h>
#include <base/fmt.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/container.h>
#include <linux/count.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/mounts.h>
#include <linux/tty.h>

enum {
    TTY_GROUP = 5, /* /dev/pts is mounted with gid=5,mode=620 */
    TTY_MODE = 0620,
    DEVICE_TTY = 0,
    DEVICE_CONSOLE = 1,
    DEVICE_PTMX = 2,
    MIN_ROOM = 256, /* of output, for poll to call it writable */
    TYPED_AT_ONCE = 256,
};
#define TENTH_NS ((uint64_t)100000000)

/* ---- All of them ---- */

static struct rt_lock numbers_lock; /* a leaf */
static struct tty *numbers[TTY_MAX];
static struct tty *console; /* counted: of the first session that has one */

/* Counted; NULL. */
static struct tty *tty_numbered(uint32_t number)
{
    struct tty *tty = NULL;
    rt_lock(&numbers_lock);
    if (number < TTY_MAX && numbers[number] != NULL)
        tty = tty_get(numbers[number]);
    rt_unlock(&numbers_lock);
    return tty;
}

static int number_take(struct tty *tty)
{
    int error = -ENOSPC;
    rt_lock(&numbers_lock);
    for (uint32_t i = 0; i < TTY_MAX && error != 0; i++) {
        if (numbers[i] != NULL)
            continue;
        numbers[i] = tty;
        tty->number = i;
        error = 0;
    }
    rt_unlock(&numbers_lock);
    return error;
}

static void number_drop(const struct tty *tty)
{
    rt_lock(&numbers_lock);
    numbers[tty->number] = NULL;
    rt_unlock(&numbers_lock);
}

static void tty_free(struct tty *tty)
{
    heap_free(tty->input);
    heap_free(tty->output);
    heap_free(tty);
}

/* To those who used it: they can go, and who is stopped must go on for that. */
static void hang_up_group(int32_t group)
{
    if (group <= 0)
        return;
    signal_send_group_kernel(group, SIGHUP);
    signal_send_group_kernel(group, SIGCONT);
}

static void session_ends(struct tty *tty, int32_t session)
{
    int32_t group = 0;
    rt_lock(&tty->lock);
    if (tty->session == session) {
        group = tty->foreground;
        tty->session = tty->foreground = 0;
    }
    rt_unlock(&tty->lock);
    hang_up_group(group);
}

static struct tty *tty_alloc(void)
{
    struct tty *tty = heap_alloc(sizeof(*tty));
    if (tty == NULL)
        return NULL;
    tty->head = (struct tty_head){ 1, session_ends, tty_free };
    tty->input = heap_alloc_array(TTY_INPUT, sizeof(*tty->input));
    tty->output = heap_alloc(TTY_OUTPUT);
    if (tty->input == NULL || tty->output == NULL) {
        tty_free(tty);
        return NULL;
    }
    tty_reset(tty);
    wait_queue_init(&tty->slave_queue);
    wait_queue_init(&tty->master_queue);
    return tty;
}

/* With a number and its name in /dev/pts. */
static int tty_create(uint32_t uid, struct tty **tty_out)
{
    struct tty *tty = tty_alloc();
    if (tty == NULL)
        return -ENOMEM;
    int error = number_take(tty);
    if (error == 0) {
        error = devpts_add(tty->number, uid, TTY_GROUP, TTY_MODE);
        if (error != 0)
            number_drop(tty);
    }
    if (error != 0) {
        tty_put(tty);
        return error;
    }
    *tty_out = tty;
    return 0;
}

/* The master goes: the number is free, programs read its end, the session ends. */
static void tty_hang_up(struct tty *tty)
{
    devpts_remove(tty->number);
    number_drop(tty);
    rt_lock(&tty->lock);
    int32_t session = tty->session, group = tty->foreground;
    tty->hung_up = true;
    tty->session = tty->foreground = 0;
    rt_unlock(&tty->lock);
    wait_queue_wake(&tty->slave_queue, 0);
    wait_queue_wake(&tty->master_queue, 0);
    if (session == 0)
        return;
    struct process *leader = process_find(session);
    if (leader != NULL) {
        const struct signal_info hang_up = { .number = SIGHUP, .code = SI_KERNEL };
        const struct signal_info go_on = { .number = SIGCONT, .code = SI_KERNEL };
        (void)signal_send_process(leader, &hang_up);
        (void)signal_send_process(leader, &go_on);
        process_put(leader);
    }
    if (group != session)
        hang_up_group(group);
    session_drop_terminal(session, tty);
}

/* ---- The slave ---- */

static int64_t tty_sleep(struct waiter *waiter, struct wait_queue *queue, uint64_t deadline_ns)
{
    if (waiter->queue == NULL) {
        wait_queue_add(queue, waiter);
        return 0; /* look again first */
    }
    return task_sleep(deadline_ns);
}

/* Until when a raw read waits: VTIME from its beginning (VMIN 0), or from the last byte. */
struct read_clock {
    uint64_t deadline_ns;
    uint32_t fill;
};

static void clock_look(struct read_clock *clock, const struct tty *tty, bool first)
{
    const uint8_t *chars = tty->termios.chars;
    bool lines = (tty->termios.local & ICANON) != 0;
    uint64_t time_ns = chars[VTIME] * TENTH_NS;
    if (first)
        *clock = (struct read_clock){ MACHINE_NEVER, 0 };
    if (lines)
        return;
    if (chars[VMIN] == 0 && first)
        clock->deadline_ns = time_ns == 0 ? 0 : machine_now_ns() + time_ns;
    else if (chars[VMIN] != 0 && time_ns != 0 && tty->input_fill != clock->fill)
        clock->deadline_ns = machine_now_ns() + time_ns;
    clock->fill = tty->input_fill;
}

/* What a read gives now. False: it has to wait. */
static bool read_now(struct file *file, struct io *io, bool late, int64_t *result_out)
{
    struct tty *tty = file->data;
    *result_out = 0;
    if (tty->hung_up)
        return true;
    bool any = late || file_nonblocking(file);
    if (!tty_input_ready(tty, io->left, any))
        return late;
    *result_out = tty_take_input(tty, io);
    return true;
}

static int64_t slave_read(struct file *file, struct io *io, uint64_t *position)
{
    struct tty *tty = file->data;
    struct read_clock clock;
    struct waiter waiter;
    int64_t result = 0;
    bool late = false, done = io->left == 0;
    (void)position;
    waiter_init(&waiter, task_self());
    for (bool first = true; !done; first = false) {
        result = tty_background(tty, SIGTTIN);
        if (result != 0)
            break;
        rt_lock(&tty->lock);
        clock_look(&clock, tty, first);
        done = read_now(file, io, late || clock.deadline_ns == 0, &result);
        rt_unlock(&tty->lock);
        if (done)
            break;
        result = file_nonblocking(file) ? -EAGAIN
                                        : tty_sleep(&waiter, &tty->slave_queue, clock.deadline_ns);
        late = result == -ETIMEDOUT;
        if (result != 0 && !late)
            break;
    }
    wait_queue_remove(&waiter);
    if (result > 0) {
        wait_queue_wake(&tty->master_queue, 0);
        if (tty->created_outside)
            commands_go_on();
    }
    return result;
}

/* As much as there is room for. */
static int64_t print_some(struct tty *tty, struct io *io)
{
    uint8_t bytes[256];
    int64_t done = 0;
    while (!tty->stopped && io->left > 0 && tty_output_room(tty) >= TTY_WIDEST) {
        uint64_t part = MIN(io->left, (uint64_t)tty_output_room(tty) / TTY_WIDEST);
        int64_t moved = io_from(io, bytes, MIN(part, (uint64_t)sizeof(bytes)));
        if (moved <= 0)
            return done > 0 ? done : moved;
        for (int64_t i = 0; i < moved; i++)
            tty_print(tty, bytes[i]);
        done += moved;
    }
    return done;
}

static int64_t slave_write(struct file *file, struct io *io, uint64_t *position)
{
    struct tty *tty = file->data;
    struct waiter waiter;
    int64_t all = 0, result = 0;
    (void)position;
    waiter_init(&waiter, task_self());
    if ((READ_ONCE(tty->termios.local) & TOSTOP) != 0)
        result = tty_background(tty, SIGTTOU);
    while (result == 0 && io->left > 0) {
        rt_lock(&tty->lock);
        int64_t part = tty->hung_up ? -EIO : print_some(tty, io);
        rt_unlock(&tty->lock);
        if (part > 0) {
            all += part;
            wait_queue_wake(&tty->master_queue, 0);
        } else if (part < 0) {
            result = part;
        } else if (file_nonblocking(file)) {
            result = -EAGAIN;
        } else {
            result = tty_sleep(&waiter, &tty->slave_queue, MACHINE_NEVER);
        }
    }
    wait_queue_remove(&waiter);
    return all > 0 ? all : result;
}

static uint32_t slave_poll(struct file *file, struct poller *poller)
{
    struct tty *tty = file->data;
    uint32_t events = 0;
    if (poller != NULL)
        (void)poller->add(poller, &tty->slave_queue);
    rt_lock(&tty->lock);
    if (tty->hung_up)
        events = POLL_IN | POLL_OUT | POLL_ERR | POLL_HUP;
    if (tty_input_ready(tty, 0, false))
        events |= POLL_IN;
    if (!tty->stopped && tty_output_room(tty) >= MIN_ROOM)
        events |= POLL_OUT;
    rt_unlock(&tty->lock);
    return events;
}

static int64_t slave_ioctl(struct file *file, uint32_t request, uint64_t argument)
{
    struct tty *tty = file->data;
    if (READ_ONCE(tty->hung_up))
        return request == TIOCSPGRP ? -ENOTTY : -EIO;
    return tty_ioctl(tty, false, request, argument);
}

static void slave_release(struct file *file)
{
    struct tty *tty = file->data;
    rt_lock(&tty->lock);
    tty->slaves--;
    bool last = tty->slaves == 0;
    tty->slave_gone = last;
    if (last)
        tty->exclusive = false;
    rt_unlock(&tty->lock);
    if (last)
        wait_queue_wake(&tty->master_queue, 0);
    tty_put(tty);
}

static const struct file_ops slave_ops = {
    .read = slave_read,
    .write = slave_write,
    .poll = slave_poll,
    .ioctl = slave_ioctl,
    .release = slave_release,
};

/* Takes the reference. `unlocked`: whatever TIOCSPTLCK says. */
static int slave_open(struct tty *tty_taken, struct file *file, uint32_t flags, bool unlocked)
{
    struct tty *tty = tty_taken;
    int error = 0;
    rt_lock(&tty->lock);
    if (tty->hung_up || (tty->locked && !unlocked))
        error = -EIO;
    else if (tty->exclusive && tty->slaves > 0 && !capable(CAP_SYS_ADMIN))
        error = -EBUSY;
    if (error == 0) {
        tty->slaves++;
        tty->slave_gone = false;
    }
    rt_unlock(&tty->lock);
    if (error != 0) {
        tty_put(tty);
        return error;
    }
    file->ops = &slave_ops;
    file->data = tty;
    if ((flags & O_NOCTTY) == 0 && READ_ONCE(tty->session) == 0)
        (void)tty_control(tty, false); /* if it can be: else it is just a file */
    return 0;
}

/* ---- The master ---- */

static int64_t read_packet(struct tty *tty, struct io *io)
{
    uint8_t status = tty->packet_status;
    if (status == 0 && tty->output_fill == 0)
        return 0;
    int64_t done = io_to(io, &status, 1);
    if (done < 0)
        return done;
    tty->packet_status = 0;
    if (status != 0)
        return done;
    int64_t moved = tty_take_output(tty, io);
    return moved < 0 ? moved : done + moved;
}

static int64_t master_read(struct file *file, struct io *io, uint64_t *position)
{
    struct tty *tty = file->data;
    struct waiter waiter;
    int64_t result = 0;
    (void)position;
    if (io->left == 0)
        return 0;
    waiter_init(&waiter, task_self());
    for (;;) {
        rt_lock(&tty->lock);
        result = tty->packet ? read_packet(tty, io) : tty_take_output(tty, io);
        bool gone = tty->slave_gone;
        rt_unlock(&tty->lock);
        if (result == 0 && gone)
            result = -EIO;
        if (result == 0)
            result = file_nonblocking(file) ? -EAGAIN
                                            : tty_sleep(&waiter, &tty->master_queue, MACHINE_NEVER);
        if (result != 0)
            break;
    }
    wait_queue_remove(&waiter);
    if (result > 0)
        wait_queue_wake(&tty->slave_queue, 0);
    return result;
}

/* As much as there is room for, and no more than is soon done: a line that never ends has room for
 * everything, and each byte may erase all of it. */
static int64_t type_some(struct tty *tty, struct io *io, struct tty_effects *effects)
{
    int64_t done = 0;
    while (io->left > 0 && done < TYPED_AT_ONCE && tty_input_room(tty)) {
        uint8_t byte;
        int64_t moved = io_from(io, &byte, 1);
        if (moved <= 0)
            return done > 0 ? done : moved;
        tty_receive(tty, byte, effects);
        done++;
    }
    return done;
}

static int64_t master_write(struct file *file, struct io *io, uint64_t *position)
{
    struct tty *tty = file->data;
    struct waiter waiter;
    int64_t all = 0, result = 0;
    (void)position;
    waiter_init(&waiter, task_self());
    while (result == 0 && io->left > 0) {
        struct tty_effects effects = { 0 };
        rt_lock(&tty->lock);
        int64_t part = tty->slaves == 0 ? -EIO : type_some(tty, io, &effects);
        rt_unlock(&tty->lock);
        tty_apply(tty, &effects);
        if (part > 0 && io->left > 0 && signal_wanted(task_self()))
            result = -ERESTARTSYS; /* some of it was typed: that is what is told */
        if (part > 0)
            all += part;
        else if (part < 0)
            result = part;
        else
            result = file_nonblocking(file) ? -EAGAIN
                                            : tty_sleep(&waiter, &tty->master_queue, MACHINE_NEVER);
    }
    wait_queue_remove(&waiter);
    return all > 0 ? all : result;
}

static uint32_t master_poll(struct file *file, struct poller *poller)
{
    struct tty *tty = file->data;
    uint32_t events = 0;
    if (poller != NULL)
        (void)poller->add(poller, &tty->master_queue);
    rt_lock(&tty->lock);
    bool status = tty->packet && tty->packet_status != 0;
    if (tty->output_fill > 0 || status)
        events |= POLL_IN;
    if (status)
        events |= POLL_PRI;
    if (tty_input_room(tty))
        events |= POLL_OUT;
    if (tty->slave_gone)
        events |= POLL_HUP;
    rt_unlock(&tty->lock);
    return events;
}

/* As if the name were opened, but no lock keeps it shut. */
static int64_t open_peer(struct tty *tty, uint32_t flags)
{
    char text[24];
    struct path path;
    struct file *file;
    flags = open_flags_from_guest(flags);
    if ((flags & ~(O_ACCMODE | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) != 0)
        return -EINVAL;
    (void)format_text(text, sizeof(text), "/dev/pts/%u", tty->number);
    int error = path_find(AT_FDCWD, text, LOOKUP_FOLLOW, &path);
    if (error != 0)
        return error;
    error = file_create(&slave_ops, flags & ~O_CLOEXEC, NULL, &file);
    if (error != 0) {
        path_put(&path);
        return error;
    }
    error = slave_open(tty_get(tty), file, flags, true);
    if (error != 0) {
        static const struct file_ops none = { 0 };
        file->ops = &none;
        file_put(file);
        path_put(&path);
        return error;
    }
    file->path = path;
    file->node = node_get(path_node(&path));
    int fd = fd_install(file, 0, (flags & O_CLOEXEC) != 0 ? FD_CLOSE_ON_EXEC : 0);
    if (fd < 0)
        file_put(file);
    return fd;
}

static int64_t set_switch(struct tty *tty, bool *which, uaddr_t at)
{
    int32_t on;
    int error = copy_in(&on, at, sizeof(on));
    if (error != 0)
        return error;
    rt_lock(&tty->lock);
    *which = on != 0;
    if (which == &tty->packet)
        tty->packet_status = 0;
    rt_unlock(&tty->lock);
    return 0;
}

static int64_t tell_number(uaddr_t at, uint32_t value)
{
    return copy_out(at, &value, sizeof(value));
}

static int64_t master_ioctl(struct file *file, uint32_t request, uint64_t argument)
{
    struct tty *tty = file->data;
    switch (request) {
    case TIOCGPTN:
        return tell_number(argument, tty->number);
    case TIOCSPTLCK:
        return set_switch(tty, &tty->locked, argument);
    case TIOCGPTLCK:
        return tell_number(argument, READ_ONCE(tty->locked));
    case TIOCPKT:
        return set_switch(tty, &tty->packet, argument);
    case TIOCGPKT:
        return tell_number(argument, READ_ONCE(tty->packet));
    case TIOCGPTPEER:
        return open_peer(tty, (uint32_t)argument);
    default:
        return tty_ioctl(tty, true, request, argument);
    }
}

static void master_release(struct file *file)
{
    struct tty *tty = file->data;
    tty_hang_up(tty);
    tty_put(tty);
}

static const struct file_ops master_ops = {
    .read = master_read,
    .write = master_write,
    .poll = master_poll,
    .ioctl = master_ioctl,
    .release = master_release,
};

/* ---- Devices ---- */

static int open_master(struct file *file)
{
    struct tty *tty;
    int error = tty_create(task_self()->cred->fsuid, &tty);
    if (error != 0)
        return error;
    tty->locked = true;
    file->ops = &master_ops;
    file->data = tty;
    return 0;
}

static int open_device(struct node *node, struct file *file)
{
    struct tty *tty = NULL;
    switch (device_minor(node->attributes.device)) {
    case DEVICE_PTMX:
        return open_master(file);
    case DEVICE_TTY:
        tty = process_terminal(task_self()->process);
        break;
    default: /* DEVICE_CONSOLE */
        rt_lock(&numbers_lock);
        tty = console != NULL ? tty_get(console) : NULL;
        rt_unlock(&numbers_lock);
        break;
    }
    return tty != NULL ? slave_open(tty, file, O_NOCTTY, true) : -ENXIO;
}

static int open_slave(struct node *node, struct file *file)
{
    struct tty *tty = tty_numbered(device_minor(node->attributes.device));
    return tty != NULL ? slave_open(tty, file, file->flags, false) : -EIO;
}

static void describe(struct tty *tty, uint32_t *device_out, int32_t *group_out)
{
    *device_out = (uint32_t)device_number(TTY_MAJOR, tty->number);
    int32_t group = READ_ONCE(tty->foreground);
    *group_out = group != 0 ? group : -1;
}

void terminals_start(void)
{
    static struct device_class some = { .major = 5, .count = 3, .open = open_device };
    static struct device_class slaves = { .major = TTY_MAJOR,
                                          .count = TTY_MAX,
                                          .open = open_slave };
    if (some.link.next != NULL)
        return;
    device_register(&some);
    device_register(&slaves);
    tty_register(describe);
}

/* ---- The container's own ---- */

int terminal_create(uint16_t rows, uint16_t columns, struct tty **tty_out)
{
    struct tty *tty;
    int error = tty_create(0, &tty);
    if (error != 0)
        return error;
    tty->size = (struct linux_winsize){ .rows = rows, .columns = columns };
    tty->created_outside = true;
    rt_lock(&numbers_lock);
    if (console == NULL)
        console = tty_get(tty);
    rt_unlock(&numbers_lock);
    *tty_out = tty;
    return 0;
}

static int install_thrice(struct file *file)
{
    int error = 0;
    for (int fd = 0; fd < 3 && error == 0; fd++) {
        error = MIN(fd_install_at(file_get(file), fd, 0), 0);
        if (error != 0)
            file_put(file);
    }
    return error;
}

int terminal_open_stdio(struct tty *tty, uint32_t uid)
{
    char text[24];
    struct path path;
    struct file *file;
    const struct node_attributes owner = { .uid = uid };
    (void)format_text(text, sizeof(text), "/dev/pts/%u", tty->number);
    int error = path_find(AT_FDCWD, text, LOOKUP_FOLLOW, &path);
    if (error != 0)
        return error;
    error = node_set_attributes(path_node(&path), &owner, SET_OWNER);
    if (error == 0)
        error = file_open(&path, O_RDWR, &file);
    path_put(&path);
    if (error != 0)
        return error;
    error = install_thrice(file);
    file_put(file);
    return error;
}

int terminal_input(struct tty *tty, const uint8_t *bytes, uint32_t size_bytes)
{
    struct tty_effects effects = { 0 };
    rt_lock(&tty->lock);
    bool lines = (tty->termios.local & ICANON) != 0;
    int error = 0;
    if (!tty_input_room(tty) || (!lines && TTY_INPUT - 1 - tty->input_fill < size_bytes))
        error = -EAGAIN;
    for (uint32_t i = 0; i < size_bytes && error == 0 && !tty->hung_up; i++)
        tty_receive(tty, bytes[i], &effects);
    rt_unlock(&tty->lock);
    tty_apply(tty, &effects);
    return error;
}

/* A waiter that is no task's: it wakes a word. */
struct word_waiter {
    struct waiter waiter;
    uint32_t word; /* atomic: counts wakes */
};

static void wake_word(struct waiter *waiter, uint32_t events)
{
    struct word_waiter *self = CONTAINER_OF(waiter, struct word_waiter, waiter);
    (void)events;
    (void)__atomic_fetch_add(&self->word, 1, __ATOMIC_SEQ_CST);
    machine_wake(&self->word, 1);
}

static uint32_t output_now(struct tty *tty, uint8_t *to, uint32_t size_bytes, bool *closed_out)
{
    struct io io;
    io_own(&io, to, size_bytes);
    rt_lock(&tty->lock);
    int64_t taken = tty_take_output(tty, &io);
    *closed_out = tty->hung_up;
    rt_unlock(&tty->lock);
    return taken > 0 ? (uint32_t)taken : 0;
}

uint32_t terminal_output(struct tty *tty, uint8_t *to, uint32_t size_bytes)
{
    struct word_waiter self = { 0 };
    uint32_t taken;
    waiter_init(&self.waiter, NULL);
    self.waiter.wake = wake_word;
    wait_queue_add(&tty->master_queue, &self.waiter);
    for (;;) {
        bool closed;
        uint32_t seen = __atomic_load_n(&self.word, __ATOMIC_SEQ_CST);
        taken = output_now(tty, to, size_bytes, &closed);
        if (taken > 0 || closed)
            break;
        machine_wait(&self.word, seen, MACHINE_NEVER);
    }
    wait_queue_remove(&self.waiter);
    if (taken > 0)
        wait_queue_wake(&tty->slave_queue, 0);
    return taken;
}

void terminal_close(struct tty *tty)
{
    rt_lock(&numbers_lock);
    bool was_console = console == tty;
    if (was_console)
        console = NULL;
    rt_unlock(&numbers_lock);
    tty_hang_up(tty);
    if (was_console)
        tty_put(tty);
}
