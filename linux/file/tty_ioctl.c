/* Settings of terminals, and job control. ioctl_tty(2). */
#include <base/compiler.h>
#include <linux/abi/errno.h>
#include <linux/abi/ioctl.h>
#include <linux/tty.h>

/* ---- Job control ---- */

static bool is_mine(const struct tty *tty)
{
    return READ_ONCE(task_self()->process->terminal) == tty;
}

int tty_background(struct tty *tty, int number)
{
    struct task *task = task_self();
    int32_t group = READ_ONCE(task->process->group);
    int32_t foreground = READ_ONCE(tty->foreground);
    if (!is_mine(tty) || foreground == 0 || group == foreground)
        return 0;
    if (signal_refused(task, number))
        return number == SIGTTIN ? -EIO : 0;
    if (group_is_orphan(group))
        return -EIO;
    signal_send_group_kernel(group, number);
    return -ERESTARTSYS;
}

/* Marks it as a session's. 0: it was free, or the caller's; -EPERM. */
static int claim(struct tty *tty, bool steal, int32_t *old_session_out)
{
    const struct process *process = task_self()->process;
    int32_t session = READ_ONCE(process->session);
    int error = 0;
    *old_session_out = 0;
    rt_lock(&tty->lock);
    if (tty->session != 0 && tty->session != session && !steal) {
        error = -EPERM;
    } else {
        *old_session_out = tty->session == session ? 0 : tty->session;
        tty->session = session;
        tty->foreground = READ_ONCE(process->group);
    }
    rt_unlock(&tty->lock);
    return error;
}

int tty_control(struct tty *tty, bool steal)
{
    struct process *process = task_self()->process;
    int32_t old;
    if (is_mine(tty) && READ_ONCE(tty->session) == READ_ONCE(process->session))
        return 0;
    if (!READ_ONCE(process->session_leader) || READ_ONCE(process->terminal) != NULL)
        return -EPERM;
    int error = claim(tty, steal, &old);
    if (error != 0)
        return error;
    if (old != 0)
        session_drop_terminal(old, tty);
    error = session_take_terminal(tty);
    if (error != 0) {
        rt_lock(&tty->lock);
        tty->session = tty->foreground = 0;
        rt_unlock(&tty->lock);
    }
    return error;
}

/* The caller's process alone. */
static void drop_mine(struct tty *tty)
{
    struct process *process = task_self()->process;
    rt_lock(&processes_lock);
    bool mine = process->terminal == tty;
    if (mine)
        process->terminal = NULL;
    rt_unlock(&processes_lock);
    if (mine)
        tty_put(tty);
}

/* TIOCNOTTY. The leader takes it away from all. */
static int64_t give_up(struct tty *tty)
{
    struct process *process = task_self()->process;
    if (!is_mine(tty))
        return -ENOTTY;
    if (!READ_ONCE(process->session_leader)) {
        drop_mine(tty);
        return 0;
    }
    tty->head.session_ends(tty, READ_ONCE(process->session));
    session_drop_terminal(READ_ONCE(process->session), tty);
    return 0;
}

static int64_t take_control(struct tty *tty, uint64_t argument)
{
    return tty_control(tty, argument == 1 && capable(CAP_SYS_ADMIN));
}

static int64_t set_foreground(struct tty *tty, uaddr_t at)
{
    int32_t group;
    const struct process *process = task_self()->process;
    int64_t error = tty_background(tty, SIGTTOU);
    if (error != 0)
        return error;
    if (!is_mine(tty) || READ_ONCE(tty->session) != READ_ONCE(process->session))
        return -ENOTTY;
    error = copy_in(&group, at, sizeof(group));
    if (error != 0)
        return error;
    if (group < 0)
        return -EINVAL;
    if (!group_in_session(group, READ_ONCE(process->session)))
        return group_exists(group) ? -EPERM : -ESRCH;
    rt_lock(&tty->lock);
    tty->foreground = group;
    rt_unlock(&tty->lock);
    return 0;
}

/* The master may ask, whoever's terminal it is. */
static int64_t tell_id(struct tty *tty, bool master, const int32_t *id, uaddr_t at)
{
    if (!master && !is_mine(tty))
        return -ENOTTY;
    rt_lock(&tty->lock);
    int32_t value = *id;
    rt_unlock(&tty->lock);
    if (id == &tty->session && value == 0)
        return -ENOTTY;
    return copy_out(at, &value, sizeof(value));
}

/* ---- Settings ---- */

void tty_resize(struct tty *tty, const struct linux_winsize *size)
{
    rt_lock(&tty->lock);
    bool changed = size->rows != tty->size.rows || size->columns != tty->size.columns ||
                   size->x_pixels != tty->size.x_pixels || size->y_pixels != tty->size.y_pixels;
    tty->size = *size;
    int32_t group = tty->foreground;
    rt_unlock(&tty->lock);
    if (changed && group > 0)
        signal_send_group_kernel(group, SIGWINCH);
}

static int64_t get_settings(struct tty *tty, uaddr_t at, bool speeds)
{
    struct linux_termios_2 settings = { .input_speed = 38400, .output_speed = 38400 };
    rt_lock(&tty->lock);
    settings.termios = tty->termios;
    rt_unlock(&tty->lock);
    return copy_out(at, &settings, speeds ? sizeof(settings) : sizeof(settings.termios));
}

/* Output is where it goes at once, so there is nothing to wait for before the change. */
static int64_t set_settings(struct tty *tty, uaddr_t at, bool flush)
{
    struct linux_termios termios;
    struct tty_effects effects = { .master = true, .slave = true };
    int64_t error = tty_background(tty, SIGTTOU);
    if (error == 0)
        error = copy_in(&termios, at, sizeof(termios));
    if (error != 0)
        return error;
    rt_lock(&tty->lock);
    if (flush)
        tty_flush_input(tty);
    tty_set_termios(tty, &termios);
    rt_unlock(&tty->lock);
    tty_apply(tty, &effects);
    return 0;
}

static int64_t flush_queues(struct tty *tty, uint64_t which)
{
    struct tty_effects effects = { .master = true, .slave = true };
    int64_t error = tty_background(tty, SIGTTOU);
    if (error != 0)
        return error;
    if (which > TCIOFLUSH)
        return -EINVAL;
    rt_lock(&tty->lock);
    if (which != TCOFLUSH)
        tty_flush_input(tty);
    if (which != TCIFLUSH)
        tty_flush_output(tty);
    rt_unlock(&tty->lock);
    tty_apply(tty, &effects);
    return 0;
}

/* TCIOFF and TCION type a character to the other side: here it would be one of output. */
static int64_t set_flow(struct tty *tty, uint64_t what)
{
    struct tty_effects effects = { .master = true, .slave = true };
    int64_t error = tty_background(tty, SIGTTOU);
    if (error != 0)
        return error;
    if (what > TCION)
        return -EINVAL;
    rt_lock(&tty->lock);
    if (what == TCOOFF || what == TCOON)
        tty_set_stopped(tty, what == TCOOFF);
    else if (tty_output_room(tty) >= TTY_WIDEST)
        tty_print(tty, tty->termios.chars[what == TCIOFF ? VSTOP : VSTART]);
    rt_unlock(&tty->lock);
    tty_apply(tty, &effects);
    return 0;
}

static int64_t tell(uaddr_t at, int32_t value)
{
    return copy_out(at, &value, sizeof(value));
}

static int64_t ask(struct tty *tty, bool master, uint32_t request, uaddr_t at)
{
    rt_lock(&tty->lock);
    struct linux_winsize size = tty->size;
    int32_t waiting = (int32_t)(master ? tty->output_fill : tty_readable(tty));
    int32_t printed = master ? 0 : (int32_t)tty->output_fill;
    bool exclusive = tty->exclusive;
    rt_unlock(&tty->lock);
    switch (request) {
    case TIOCGWINSZ:
        return copy_out(at, &size, sizeof(size));
    case FIONREAD:
        return tell(at, waiting);
    case TIOCOUTQ:
        return tell(at, printed);
    case TIOCGEXCL:
        return tell(at, exclusive);
    default: /* TIOCGDEV */
        return tell(at, (int32_t)device_number(TTY_MAJOR, tty->number));
    }
}

static int64_t set_size(struct tty *tty, uaddr_t at)
{
    struct linux_winsize size;
    int error = copy_in(&size, at, sizeof(size));
    if (error == 0)
        tty_resize(tty, &size);
    return error;
}

static int64_t set_exclusive(struct tty *tty, bool exclusive)
{
    rt_lock(&tty->lock);
    tty->exclusive = exclusive;
    rt_unlock(&tty->lock);
    return 0;
}

static int64_t set_discipline(uaddr_t at)
{
    int32_t number;
    int error = copy_in(&number, at, sizeof(number));
    if (error != 0)
        return error;
    return number == 0 ? 0 : -EINVAL;
}

static int64_t job_request(struct tty *tty, bool master, uint32_t request, uint64_t argument)
{
    switch (request) {
    case TIOCSCTTY:
        return take_control(tty, argument);
    case TIOCNOTTY:
        return give_up(tty);
    case TIOCGPGRP:
        return tell_id(tty, master, &tty->foreground, argument);
    case TIOCGSID:
        return tell_id(tty, master, &tty->session, argument);
    case TIOCSPGRP:
        return set_foreground(tty, argument);
    case TIOCSTI:
        return -EIO; /* typing for others: Linux, too, has it switched off */
    default:
        return -ENOTTY;
    }
}

int64_t tty_ioctl(struct tty *tty, bool master, uint32_t request, uint64_t argument)
{
    switch (request) {
    case TCGETS:
    case TCGETS2:
        return get_settings(tty, argument, request == TCGETS2);
    case TCSETS:
    case TCSETSW:
    case TCSETS2:
    case TCSETSW2:
        return set_settings(tty, argument, false);
    case TCSETSF:
    case TCSETSF2:
        return set_settings(tty, argument, true);
    case TCFLSH:
        return flush_queues(tty, argument);
    case TCXONC:
        return set_flow(tty, argument);
    case TCSBRK:
    case TCSBRKP:
        return tty_background(tty, SIGTTOU);
    case TIOCGWINSZ:
    case FIONREAD:
    case TIOCOUTQ:
    case TIOCGEXCL:
    case TIOCGDEV:
        return ask(tty, master, request, argument);
    case TIOCSWINSZ:
        return set_size(tty, argument);
    case TIOCEXCL:
    case TIOCNXCL:
        return set_exclusive(tty, request == TIOCEXCL);
    case TIOCGETD:
        return tell(argument, 0);
    case TIOCSETD:
        return set_discipline(argument);
    default:
        return job_request(tty, master, request, argument);
    }
}
