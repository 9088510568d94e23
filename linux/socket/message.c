/* Messages with addresses, lists of parts, and control messages. send(2), recv(2), cmsg(3). */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/clock.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/socket.h>

enum { CONTROL_BYTES_MAX = 20480, MESSAGES_MAX = 1024, CMSG_ALIGN = 8 };

/* ---- Control messages ---- */

void credentials_own(struct linux_ucred *credentials_out)
{
    const struct task *task = task_self();
    *credentials_out = (struct linux_ucred){ 0 };
    if (task != NULL)
        *credentials_out =
            (struct linux_ucred){ task->process->pid, task->cred->euid, task->cred->egid };
}

void credentials_real(struct linux_ucred *credentials_out)
{
    const struct task *task = task_self();
    *credentials_out = (struct linux_ucred){ 0 };
    if (task != NULL)
        *credentials_out =
            (struct linux_ucred){ task->process->pid, task->cred->uid, task->cred->gid };
}

static void rights_free(struct rights *rights)
{
    if (rights == NULL)
        return;
    for (unsigned i = 0; i < rights->count; i++)
        file_put(rights->file[i]);
    heap_free(rights);
}

void control_end(struct control *control)
{
    rights_free(control->rights);
    *control = (struct control){ 0 };
}

static int add_rights(struct control *control, const uint8_t *fds, uint64_t size_bytes)
{
    if (size_bytes % sizeof(int32_t) != 0)
        return -EINVAL;
    if (control->rights == NULL)
        control->rights = heap_alloc(sizeof(*control->rights));
    if (control->rights == NULL)
        return -ENOMEM;
    struct rights *rights = control->rights;
    for (uint64_t i = 0; i < size_bytes / sizeof(int32_t); i++) {
        int32_t fd;
        memcpy(&fd, fds + i * sizeof(fd), sizeof(fd));
        if (rights->count == SCM_MAX_FD)
            return -EINVAL;
        struct file *file = fd_get_any(fd);
        if (file == NULL)
            return -EBADF;
        rights->file[rights->count++] = file;
    }
    return 0;
}

static bool is_own(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
    return id == a || id == b || id == c;
}

/* Who may say that he is another. */
static int add_credentials(struct control *control, const uint8_t *bytes, uint64_t size_bytes)
{
    const struct task *task = task_self();
    const struct cred *cred = task->cred;
    struct linux_ucred claimed;
    if (size_bytes != sizeof(claimed))
        return -EINVAL;
    memcpy(&claimed, bytes, sizeof(claimed));
    if (claimed.pid != task->process->pid && !capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (!is_own(claimed.uid, cred->uid, cred->euid, cred->suid) && !capable(CAP_SETUID))
        return -EPERM;
    if (!is_own(claimed.gid, cred->gid, cred->egid, cred->sgid) && !capable(CAP_SETGID))
        return -EPERM;
    control->credentials = claimed;
    control->has_credentials = true;
    return 0;
}

static int add_one(struct control *control, const struct linux_cmsghdr *header,
                   const uint8_t *bytes)
{
    uint64_t size_bytes = header->size_bytes - sizeof(*header);
    if (header->level != SOL_SOCKET)
        return 0; /* another family's */
    if (header->type == SCM_RIGHTS)
        return add_rights(control, bytes, size_bytes);
    if (header->type == SCM_CREDENTIALS)
        return add_credentials(control, bytes, size_bytes);
    return -EINVAL;
}

static int parse(struct control *control, const uint8_t *bytes, uint64_t size_bytes)
{
    int error = 0;
    for (uint64_t at = 0; error == 0 && size_bytes - at >= sizeof(struct linux_cmsghdr);) {
        struct linux_cmsghdr header;
        memcpy(&header, bytes + at, sizeof(header));
        if (header.size_bytes < sizeof(header) || header.size_bytes > size_bytes - at)
            return -EINVAL;
        error = add_one(control, &header, bytes + at + sizeof(header));
        uint64_t step = ALIGN_UP(header.size_bytes, (uint64_t)CMSG_ALIGN);
        at += MIN(step, size_bytes - at);
    }
    return error;
}

int control_in(struct control *control, uaddr_t from, uint64_t size_bytes)
{
    *control = (struct control){ 0 };
    if (size_bytes == 0)
        return 0;
    if (size_bytes > CONTROL_BYTES_MAX)
        return -ENOBUFS;
    uint8_t *bytes = heap_alloc(size_bytes);
    if (bytes == NULL)
        return -ENOMEM;
    int error = copy_in(bytes, from, size_bytes);
    if (error == 0)
        error = parse(control, bytes, size_bytes);
    heap_free(bytes);
    if (error != 0)
        control_end(control);
    return error;
}

/* Where the next control message goes, and how much room there is. */
struct control_room {
    uaddr_t at;
    uint64_t left, used;
    bool cut;
};

static bool give(struct control_room *room, int type, const void *bytes, uint64_t size_bytes)
{
    const struct linux_cmsghdr header = { sizeof(header) + size_bytes, SOL_SOCKET, type };
    if (header.size_bytes > room->left || copy_out(room->at, &header, sizeof(header)) != 0 ||
        copy_out(room->at + sizeof(header), bytes, size_bytes) != 0) {
        room->cut = true;
        return false;
    }
    uint64_t step = MIN(ALIGN_UP(header.size_bytes, (uint64_t)CMSG_ALIGN), room->left);
    room->at += step;
    room->left -= step;
    room->used += step;
    return true;
}

/* As many as find room, and descriptors; the others are given up. */
static void give_rights(struct control_room *room, struct rights *rights, bool close_on_exec)
{
    int32_t fds[SCM_MAX_FD];
    unsigned count = 0;
    uint64_t fits = room->left > sizeof(struct linux_cmsghdr)
                        ? (room->left - sizeof(struct linux_cmsghdr)) / sizeof(fds[0])
                        : 0;
    while (count < rights->count && count < fits) {
        int fd = fd_install(rights->file[count], 0, close_on_exec ? FD_CLOSE_ON_EXEC : 0);
        if (fd < 0)
            break;
        fds[count++] = fd;
    }
    room->cut = room->cut || count < rights->count;
    bool told = count > 0 && give(room, SCM_RIGHTS, fds, count * sizeof(fds[0]));
    for (unsigned i = 0; i < count && !told; i++)
        (void)fd_close(fds[i]);
    for (unsigned i = count; i < rights->count; i++)
        file_put(rights->file[i]);
    heap_free(rights);
}

uint64_t control_out(struct control *control, uaddr_t to, uint64_t size_bytes, uint32_t flags,
                     uint32_t *flags_out)
{
    struct control_room room = { .at = to, .left = size_bytes };
    if (control->has_credentials)
        (void)give(&room, SCM_CREDENTIALS, &control->credentials, sizeof(control->credentials));
    if (control->rights != NULL)
        give_rights(&room, control->rights, (flags & MSG_CMSG_CLOEXEC) != 0);
    *control = (struct control){ 0 };
    *flags_out |= room.cut ? MSG_CTRUNC : 0;
    return room.used;
}

/* ---- One message ---- */

static bool waits_not(const struct file *file, uint32_t flags)
{
    return (flags & MSG_DONTWAIT) != 0 || file_nonblocking(file);
}

static int64_t send_one(struct file *file, struct message *message)
{
    struct socket *socket = file->data;
    int64_t result = socket->ops->send(socket, message, waits_not(file, message->flags));
    control_end(&message->control);
    return result;
}

static int64_t receive_one(struct file *file, struct message *message)
{
    struct socket *socket = file->data;
    int64_t result = socket->ops->receive(socket, message, waits_not(file, message->flags));
    if (!socket->passes_credentials)
        message->control.has_credentials = false;
    return result;
}

int64_t linux_sendto(int32_t fd, uaddr_t from, uint64_t size_bytes, uint32_t flags, uaddr_t name,
                     uint32_t name_bytes)
{
    struct file *file;
    struct socket *socket;
    struct io io;
    struct message message = { .io = &io, .flags = flags };
    int64_t result = io_user(&io, from, size_bytes);
    if (result == 0)
        result = socket_get(fd, &file, &socket);
    if (result != 0)
        return result;
    if (name != 0)
        result = address_in(&message.address, name, name_bytes);
    if (result == 0)
        result = send_one(file, &message);
    file_put(file);
    return result;
}

int64_t linux_recvfrom(int32_t fd, uaddr_t to, uint64_t size_bytes, uint32_t flags, uaddr_t name,
                       uaddr_t name_bytes)
{
    struct file *file;
    struct socket *socket;
    struct io io;
    struct message message = { .io = &io, .flags = flags };
    int64_t result = io_user(&io, to, size_bytes);
    if (result == 0)
        result = socket_get(fd, &file, &socket);
    if (result != 0)
        return result;
    result = receive_one(file, &message);
    control_end(&message.control); /* nobody asked for it */
    if (result >= 0 && name != 0) {
        int error = address_out(&message.address, name, name_bytes);
        result = error != 0 ? error : result;
    }
    file_put(file);
    return result;
}

static int64_t send_header(struct file *file, uaddr_t at, uint32_t flags)
{
    struct linux_msghdr header;
    struct io io;
    struct message message = { .io = &io, .flags = flags };
    int64_t result = copy_in(&header, at, sizeof(header));
    if (result == 0 && header.name != 0)
        result = address_in(&message.address, header.name, header.name_bytes);
    if (result == 0 && header.part_count > IOV_MAX)
        result = -EMSGSIZE;
    if (result == 0)
        result = io_vector(&io, header.parts, header.part_count);
    if (result != 0)
        return result;
    result = control_in(&message.control, header.control, header.control_bytes);
    if (result == 0)
        result = send_one(file, &message);
    io_end(&io);
    return result;
}

/* The header says how much there was of each. */
static int tell_header(uaddr_t at, const struct linux_msghdr *header, struct message *message)
{
    struct linux_msghdr out = *header;
    out.control_bytes = control_out(&message->control, header->control, header->control_bytes,
                                    message->flags, &message->out_flags);
    out.flags = message->out_flags | (message->flags & MSG_CMSG_CLOEXEC);
    out.name_bytes = message->address.size_bytes;
    int error = 0;
    if (header->name != 0)
        error = copy_out(header->name, message->address.of.bytes,
                         MIN(message->address.size_bytes, header->name_bytes));
    if (error == 0)
        error = copy_out(at, &out, sizeof(out));
    return error;
}

static int64_t receive_header(struct file *file, uaddr_t at, uint32_t flags)
{
    struct linux_msghdr header;
    struct io io;
    struct message message = { .io = &io, .flags = flags };
    int64_t result = copy_in(&header, at, sizeof(header));
    if (result == 0 && header.part_count > IOV_MAX)
        result = -EMSGSIZE;
    if (result == 0)
        result = io_vector(&io, header.parts, header.part_count);
    if (result != 0)
        return result;
    result = receive_one(file, &message);
    io_end(&io);
    if (result < 0) {
        control_end(&message.control);
        return result;
    }
    int error = tell_header(at, &header, &message);
    return error != 0 ? error : result;
}

int64_t linux_sendmsg(int32_t fd, uaddr_t header, uint32_t flags)
{
    struct file *file;
    struct socket *socket;
    int64_t result = socket_get(fd, &file, &socket);
    if (result != 0)
        return result;
    result = send_header(file, header, flags);
    file_put(file);
    return result;
}

int64_t linux_recvmsg(int32_t fd, uaddr_t header, uint32_t flags)
{
    struct file *file;
    struct socket *socket;
    int64_t result = socket_get(fd, &file, &socket);
    if (result != 0)
        return result;
    result = receive_header(file, header, flags);
    file_put(file);
    return result;
}

/* ---- Several ---- */

/* struct mmsghdr: the header, and how many bytes it moved. */
enum { MMSG_BYTES = 64, MMSG_LENGTH = 56 };

static int tell_length(uaddr_t at, int64_t length)
{
    uint32_t value = (uint32_t)length;
    return copy_out(at + MMSG_LENGTH, &value, sizeof(value));
}

int64_t linux_sendmmsg(int32_t fd, uaddr_t headers, uint32_t count, uint32_t flags)
{
    struct file *file;
    struct socket *socket;
    int64_t done = 0;
    int64_t result = socket_get(fd, &file, &socket);
    if (result != 0)
        return result;
    while (done < (int64_t)MIN(count, (uint32_t)MESSAGES_MAX) && result >= 0) {
        uaddr_t at = headers + (uint64_t)done * MMSG_BYTES;
        result = send_header(file, at, flags);
        if (result >= 0)
            result = tell_length(at, result);
        done += result >= 0;
    }
    file_put(file);
    return done > 0 || result >= 0 ? done : result;
}

int64_t linux_recvmmsg(int32_t fd, uaddr_t headers, uint32_t count, uint32_t flags, uaddr_t timeout)
{
    struct file *file;
    struct socket *socket;
    uint64_t deadline_ns;
    int64_t done = 0;
    int64_t result = timeout_in(timeout, &deadline_ns);
    if (result == 0)
        result = socket_get(fd, &file, &socket);
    if (result != 0)
        return result;
    uint32_t each = flags & ~MSG_WAITFORONE;
    while (done < (int64_t)MIN(count, (uint32_t)MESSAGES_MAX) && result >= 0) {
        uaddr_t at = headers + (uint64_t)done * MMSG_BYTES;
        result = receive_header(file, at, each);
        if (result >= 0)
            result = tell_length(at, result);
        done += result >= 0;
        if ((flags & MSG_WAITFORONE) != 0)
            each |= MSG_DONTWAIT;
        if (machine_now_ns() >= deadline_ns) /* looked at between messages, as Linux does */
            break;
    }
    file_put(file);
    return done > 0 || result >= 0 ? done : result;
}
