/* The line discipline of terminals: lines and their editing, echo, signals, output. termios(3). */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/machine.h>
#include <linux/tty.h>

/* Beside a byte of input: a line ends with it; it ends without it (VEOF). */
enum { LINE_END = 0x100, FILE_END = 0x200 };

enum { TAB = 8, BELL = 7 };

/* ---- Settings ---- */

static const struct linux_termios defaults = {
    .input = ICRNL | IXON,
    .output = OPOST | ONLCR,
    .control = B38400 | CS8 | CREAD,
    .local = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
    .chars = { [VINTR] = 3,
               [VQUIT] = 0x1c,
               [VERASE] = 0x7f,
               [VKILL] = 0x15,
               [VEOF] = 4,
               [VMIN] = 1,
               [VSTART] = 0x11,
               [VSTOP] = 0x13,
               [VSUSP] = 0x1a,
               [VREPRINT] = 0x12,
               [VDISCARD] = 0x0f,
               [VWERASE] = 0x17,
               [VLNEXT] = 0x16 },
};

void tty_reset(struct tty *tty)
{
    tty->termios = defaults;
}

static bool local(const struct tty *tty, uint32_t flag)
{
    return (tty->termios.local & flag) != 0;
}

static bool in(const struct tty *tty, uint32_t flag)
{
    return (tty->termios.input & flag) != 0;
}

static bool out(const struct tty *tty, uint32_t flag)
{
    return (tty->termios.output & flag) != 0;
}

/* A character of 0 is none. */
static bool is_char(const struct tty *tty, unsigned which, uint8_t byte)
{
    return byte != 0 && tty->termios.chars[which] == byte;
}

static bool is_control(uint8_t byte)
{
    return byte < ' ' || byte == 0x7f;
}

static bool is_continuation(const struct tty *tty, uint8_t byte)
{
    return in(tty, IUTF8) && (byte & 0xc0) == 0x80;
}

/* ---- Output ---- */

uint32_t tty_output_room(const struct tty *tty)
{
    return TTY_OUTPUT - tty->output_fill;
}

static void put_output(struct tty *tty, uint8_t byte)
{
    if (tty->output_fill == TTY_OUTPUT)
        return;
    tty->output[(tty->output_head + tty->output_fill++) % TTY_OUTPUT] = byte;
}

static void print_newline(struct tty *tty)
{
    if (out(tty, ONLCR))
        put_output(tty, '\r');
    if (out(tty, ONLCR | ONLRET))
        tty->column = 0;
    put_output(tty, '\n');
}

static void print_return(struct tty *tty)
{
    if (out(tty, ONOCR) && tty->column == 0)
        return;
    if (out(tty, OCRNL)) {
        put_output(tty, '\n');
        tty->column = out(tty, ONLRET) ? 0 : tty->column;
        return;
    }
    put_output(tty, '\r');
    tty->column = 0;
}

static void print_tab(struct tty *tty)
{
    uint32_t blanks = TAB - tty->column % TAB;
    tty->column += blanks;
    if ((tty->termios.output & XTABS) != XTABS) {
        put_output(tty, '\t');
        return;
    }
    while (blanks-- > 0)
        put_output(tty, ' ');
}

static void print_text(struct tty *tty, uint8_t byte)
{
    if (out(tty, OLCUC) && byte >= 'a' && byte <= 'z')
        byte = (uint8_t)(byte - 'a' + 'A');
    if (!is_control(byte) && !is_continuation(tty, byte))
        tty->column++;
    put_output(tty, byte);
}

void tty_print(struct tty *tty, uint8_t byte)
{
    if (!out(tty, OPOST)) {
        put_output(tty, byte);
        return;
    }
    switch (byte) {
    case '\n':
        print_newline(tty);
        break;
    case '\r':
        print_return(tty);
        break;
    case '\t':
        print_tab(tty);
        break;
    case '\b':
        tty->column -= tty->column > 0;
        put_output(tty, byte);
        break;
    default:
        print_text(tty, byte);
        break;
    }
}

int64_t tty_take_output(struct tty *tty, struct io *io)
{
    int64_t done = 0;
    while (tty->output_fill > 0 && io->left > 0) {
        uint32_t part = MIN(tty->output_fill, (uint32_t)TTY_OUTPUT - tty->output_head);
        int64_t moved = io_to(io, tty->output + tty->output_head, MIN((uint64_t)part, io->left));
        if (moved <= 0)
            return done > 0 ? done : moved;
        tty->output_head = (tty->output_head + (uint32_t)moved) % TTY_OUTPUT;
        tty->output_fill -= (uint32_t)moved;
        done += moved;
    }
    return done;
}

void tty_flush_output(struct tty *tty)
{
    tty->output_fill = 0;
    tty->packet_status |= TIOCPKT_FLUSHWRITE;
}

void tty_set_stopped(struct tty *tty, bool stopped)
{
    if (tty->stopped == stopped)
        return;
    tty->stopped = stopped;
    tty->packet_status &= (uint8_t) ~(TIOCPKT_STOP | TIOCPKT_START);
    tty->packet_status |= stopped ? TIOCPKT_STOP : TIOCPKT_START;
}

/* ---- Echo ---- */

/* As much as there is room for: who types is not kept waiting. */
static void echo_byte(struct tty *tty, uint8_t byte)
{
    if (tty_output_room(tty) >= TTY_WIDEST)
        tty_print(tty, byte);
}

static void echo_always(struct tty *tty, uint8_t byte)
{
    if (local(tty, ECHOCTL) && is_control(byte) && byte != '\t' && byte != '\n') {
        echo_byte(tty, '^');
        byte ^= 0x40;
    }
    echo_byte(tty, byte);
}

static void echo(struct tty *tty, uint8_t byte)
{
    if (local(tty, ECHO))
        echo_always(tty, byte);
}

/* ---- Input: a ring of lines ---- */

static uint16_t *entry_at(const struct tty *tty, uint32_t index)
{
    return &tty->input[(tty->input_head + index) % TTY_INPUT];
}

bool tty_input_room(const struct tty *tty)
{
    /* A line that is too long loses its end, but must not keep its newline from coming. */
    return tty->input_fill < TTY_INPUT - 1 || (local(tty, ICANON) && tty->lines == 0);
}

static void put_input(struct tty *tty, uint16_t entry, struct tty_effects *effects)
{
    bool ends = (entry & (LINE_END | FILE_END)) != 0;
    if (tty->input_fill >= (uint32_t)TTY_INPUT - !ends) {
        if (in(tty, IMAXBEL))
            echo_byte(tty, BELL);
        return;
    }
    *entry_at(tty, tty->input_fill++) = entry;
    tty->line = ends ? 0 : tty->line + 1;
    tty->lines += ends;
    effects->slave |= ends || !local(tty, ICANON);
}

void tty_flush_input(struct tty *tty)
{
    tty->input_fill = tty->line = tty->lines = 0;
    tty->packet_status |= TIOCPKT_FLUSHREAD;
}

/* How far the cursor is after that many characters of the unfinished line. */
static uint32_t column_after(const struct tty *tty, uint32_t count)
{
    uint32_t column = tty->line_column;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t byte = (uint8_t)*entry_at(tty, tty->input_fill - tty->line + i);
        if (byte == '\t')
            column += TAB - column % TAB;
        else if (is_control(byte))
            column += local(tty, ECHOCTL) ? 2 : 0;
        else if (!is_continuation(tty, byte))
            column++;
    }
    return column;
}

static uint8_t last_byte(const struct tty *tty)
{
    return (uint8_t)*entry_at(tty, tty->input_fill - 1);
}

/* The last character of the line goes, and its picture. */
static void rub_out(struct tty *tty)
{
    uint32_t before = column_after(tty, tty->line);
    bool more;
    uint8_t byte;
    do {
        byte = last_byte(tty);
        more = is_continuation(tty, byte);
        tty->line--;
        tty->input_fill--;
    } while (more && tty->line > 0);
    if (!local(tty, ECHO))
        return;
    uint32_t after = column_after(tty, tty->line);
    for (uint32_t i = after; i < before; i++) {
        echo_byte(tty, '\b');
        if (byte == '\t')
            continue;
        echo_byte(tty, ' ');
        echo_byte(tty, '\b');
    }
}

static void erase(struct tty *tty, uint8_t typed)
{
    if (tty->line == 0)
        return;
    if (local(tty, ECHOE) || !local(tty, ECHO)) {
        rub_out(tty);
        return;
    }
    tty->line--;
    tty->input_fill--;
    echo(tty, typed);
}

static bool is_word(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte == '_' || byte >= 0x80;
}

static void erase_word(struct tty *tty)
{
    while (tty->line > 0 && !is_word(last_byte(tty)))
        rub_out(tty);
    while (tty->line > 0 && is_word(last_byte(tty)))
        rub_out(tty);
}

static void kill_line(struct tty *tty, uint8_t typed)
{
    if (local(tty, ECHOKE) && local(tty, ECHOE)) {
        while (tty->line > 0)
            rub_out(tty);
        return;
    }
    tty->input_fill -= tty->line;
    tty->line = 0;
    echo(tty, typed);
    if (local(tty, ECHOK) && local(tty, ECHO))
        echo_byte(tty, '\n');
}

static void reprint(struct tty *tty, uint8_t typed)
{
    echo(tty, typed);
    echo_byte(tty, '\n');
    tty->line_column = tty->column;
    for (uint32_t i = 0; i < tty->line; i++)
        echo(tty, (uint8_t)*entry_at(tty, tty->input_fill - tty->line + i));
}

/* ---- What is typed ---- */

static void signal_typed(struct tty *tty, uint8_t typed, int number, struct tty_effects *effects)
{
    if (!local(tty, NOFLSH)) {
        tty_flush_input(tty);
        tty_flush_output(tty);
    }
    tty_set_stopped(tty, false);
    echo(tty, typed);
    effects->signals |= SIGNAL_BIT(number);
    effects->group = tty->foreground;
    effects->slave = effects->master = true;
}

static bool typed_signal(struct tty *tty, uint8_t byte, struct tty_effects *effects)
{
    static const struct {
        unsigned which;
        int number;
    } signals[] = { { VINTR, SIGINT }, { VQUIT, SIGQUIT }, { VSUSP, SIGTSTP } };
    if (!local(tty, ISIG))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        if (is_char(tty, signals[i].which, byte)) {
            signal_typed(tty, byte, signals[i].number, effects);
            return true;
        }
    }
    return false;
}

static bool typed_flow(struct tty *tty, uint8_t byte, struct tty_effects *effects)
{
    if (!in(tty, IXON))
        return false;
    bool start = is_char(tty, VSTART, byte), stop = is_char(tty, VSTOP, byte);
    if (start || stop) {
        tty_set_stopped(tty, !start);
        effects->slave = effects->master = true;
        return true;
    }
    if (tty->stopped && in(tty, IXANY)) {
        tty_set_stopped(tty, false);
        effects->slave = true;
    }
    return false;
}

static bool typed_edit(struct tty *tty, uint8_t byte)
{
    bool extended = local(tty, IEXTEN);
    if (is_char(tty, VERASE, byte))
        erase(tty, byte);
    else if (is_char(tty, VKILL, byte))
        kill_line(tty, byte);
    else if (extended && is_char(tty, VWERASE, byte))
        erase_word(tty);
    else if (extended && is_char(tty, VREPRINT, byte) && local(tty, ECHO))
        reprint(tty, byte);
    else
        return false;
    return true;
}

static bool typed_end(struct tty *tty, uint8_t byte, struct tty_effects *effects)
{
    if (byte == '\n') {
        if (local(tty, ECHO | ECHONL))
            echo_byte(tty, '\n');
        put_input(tty, LINE_END | '\n', effects);
        return true;
    }
    if (is_char(tty, VEOF, byte)) {
        put_input(tty, FILE_END, effects);
        return true;
    }
    if (is_char(tty, VEOL, byte) || (local(tty, IEXTEN) && is_char(tty, VEOL2, byte))) {
        echo(tty, byte);
        put_input(tty, (uint16_t)(LINE_END | byte), effects);
        return true;
    }
    return false;
}

static void text_typed(struct tty *tty, uint8_t byte, struct tty_effects *effects)
{
    if (tty->line == 0)
        tty->line_column = tty->column;
    if (byte == '\n' && local(tty, ECHO | ECHONL))
        echo_byte(tty, byte);
    else
        echo(tty, byte);
    if (in(tty, PARMRK) && byte == 0xff)
        put_input(tty, byte, effects);
    put_input(tty, byte, effects);
}

static bool typed_literal(struct tty *tty, uint8_t byte)
{
    if (!local(tty, ICANON) || !local(tty, IEXTEN) || !is_char(tty, VLNEXT, byte))
        return false;
    tty->literal = true;
    if (local(tty, ECHO) && local(tty, ECHOCTL)) {
        if (tty->line == 0)
            tty->line_column = tty->column;
        echo_byte(tty, '^');
        echo_byte(tty, '\b');
    }
    return true;
}

void tty_receive(struct tty *tty, uint8_t byte, struct tty_effects *effects)
{
    uint32_t printed = tty->output_fill;
    if (in(tty, ISTRIP))
        byte &= 0x7f;
    if (tty->literal) {
        tty->literal = false;
        text_typed(tty, byte, effects);
    } else if (!typed_flow(tty, byte, effects) && !typed_signal(tty, byte, effects)) {
        if (byte == '\r' && in(tty, IGNCR))
            return;
        if (byte == '\r' && in(tty, ICRNL))
            byte = '\n';
        else if (byte == '\n' && in(tty, INLCR))
            byte = '\r';
        if (in(tty, IUCLC) && local(tty, IEXTEN) && byte >= 'A' && byte <= 'Z')
            byte = (uint8_t)(byte - 'A' + 'a');
        if (typed_literal(tty, byte))
            ;
        else if (!local(tty, ICANON) || (!typed_edit(tty, byte) && !typed_end(tty, byte, effects)))
            text_typed(tty, byte, effects);
    }
    effects->master |= tty->output_fill != printed;
}

/* ---- Reading ---- */

uint32_t tty_readable(const struct tty *tty)
{
    if (!local(tty, ICANON))
        return tty->input_fill;
    uint32_t count = 0;
    for (uint32_t i = 0; i < tty->input_fill - tty->line; i++)
        count += (*entry_at(tty, i) & FILE_END) == 0;
    return count;
}

bool tty_input_ready(const struct tty *tty, uint64_t size_bytes, bool any)
{
    if (local(tty, ICANON))
        return tty->lines > 0;
    uint64_t least = tty->termios.chars[VMIN];
    if (size_bytes == 0) /* poll */
        least = tty->termios.chars[VTIME] == 0 ? least : 1;
    else
        least = MIN(least, size_bytes);
    if (any)
        least = 1;
    return tty->input_fill >= MAX(least, (uint64_t)1);
}

static uint16_t take_entry(struct tty *tty)
{
    uint16_t entry = *entry_at(tty, 0);
    tty->input_head = (tty->input_head + 1) % TTY_INPUT;
    tty->input_fill--;
    tty->lines -= (entry & (LINE_END | FILE_END)) != 0;
    tty->line = MIN(tty->line, tty->input_fill);
    return entry;
}

/* Up to `room` bytes of the first line, or (raw) of all. True in *ended_out: no more of it. */
static uint32_t take_part(struct tty *tty, uint8_t *to, uint64_t room, bool *ended_out)
{
    bool lines = local(tty, ICANON);
    uint32_t count = 0;
    *ended_out = false;
    while (count < room && !*ended_out && tty->input_fill > 0 && (!lines || tty->lines > 0)) {
        uint16_t entry = take_entry(tty);
        if ((entry & FILE_END) == 0)
            to[count++] = (uint8_t)entry;
        *ended_out = lines && (entry & (LINE_END | FILE_END)) != 0;
    }
    /* An end that was typed behind text ends that read, even if the text just fits. */
    if (count == room && !*ended_out && tty->input_fill > 0 && lines && tty->lines > 0 &&
        (*entry_at(tty, 0) & FILE_END) != 0) {
        (void)take_entry(tty);
        *ended_out = true;
    }
    return count;
}

int64_t tty_take_input(struct tty *tty, struct io *io)
{
    uint8_t bytes[256];
    int64_t done = 0;
    bool ended = false;
    while (io->left > 0 && !ended) {
        uint64_t room = MIN(io->left, (uint64_t)sizeof(bytes));
        uint32_t part = take_part(tty, bytes, room, &ended);
        if (part == 0)
            break;
        int64_t moved = io_to(io, bytes, part);
        if (moved < 0)
            return done > 0 ? done : moved;
        done += moved;
    }
    return done;
}

void tty_set_termios(struct tty *tty, const struct linux_termios *termios)
{
    bool lines = local(tty, ICANON);
    bool flow = in(tty, IXON);
    tty->termios = *termios;
    /* What was typed raw is a line of its own, for who reads lines. */
    if (!lines && local(tty, ICANON) && tty->line > 0) {
        *entry_at(tty, tty->input_fill - 1) |= LINE_END;
        tty->lines++;
        tty->line = 0;
    }
    if (flow && !in(tty, IXON))
        tty_set_stopped(tty, false);
    bool usual = in(tty, IXON) && termios->chars[VSTOP] == 0x13 && termios->chars[VSTART] == 0x11;
    if (flow != usual) {
        tty->packet_status &= (uint8_t) ~(TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
        tty->packet_status |= usual ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP;
    }
}

void tty_apply(struct tty *tty, const struct tty_effects *effects)
{
    if (effects->slave)
        wait_queue_wake(&tty->slave_queue, 0);
    if (effects->master)
        wait_queue_wake(&tty->master_queue, 0);
    for (int number = 1; number <= SIGNAL_COUNT && effects->signals >> (number - 1) != 0;
         number++) {
        if ((effects->signals & SIGNAL_BIT(number)) != 0 && effects->group > 0)
            signal_send_group_kernel(effects->group, number);
    }
}
