/* Sockets: what every family has. Families: AF_UNIX (socket/unix.c).
 *
 *   socket/calls.c    system calls: descriptors, addresses
 *   socket/message.c  sendmsg and its like: lists of parts, control messages
 *   socket/option.c   getsockopt, setsockopt
 *   socket/unix.c     AF_UNIX: names, connections, ends
 *   socket/queue.c    AF_UNIX: what is sent and received
 */
#pragma once

#include <linux/abi/socket.h>
#include <linux/file.h>
#include <linux/task.h>

struct socket_address {
    uint32_t size_bytes; /* 0: none */
    union {
        uint16_t family;
        struct linux_sockaddr_un unix_name;
        uint8_t bytes[SOCKADDR_MAX];
    } of;
};

/* Descriptors and who sent, beside a message. */
struct rights {
    unsigned count;
    struct file *file[SCM_MAX_FD]; /* counted */
};
struct control {
    struct rights *rights; /* heap; NULL: none */
    struct linux_ucred credentials;
    bool has_credentials;
};

struct message {
    struct io *io;
    uint32_t flags;     /* MSG_ bits of the call */
    uint32_t out_flags; /* received: MSG_ bits of the message */
    struct socket_address address;
    struct control control;
};

struct socket;

struct socket_ops {
    int (*bind)(struct socket *socket, const struct socket_address *address);
    int (*connect)(struct socket *socket, const struct socket_address *address, bool nonblocking);
    int (*listen)(struct socket *socket, int backlog);
    /* A socket with one reference, that becomes a file. */
    int (*accept)(struct socket *socket, bool nonblocking, struct socket **socket_out);
    /* Bytes, or an error. What is sent of the control is taken from it. */
    int64_t (*send)(struct socket *socket, struct message *message, bool nonblocking);
    int64_t (*receive)(struct socket *socket, struct message *message, bool nonblocking);
    int (*shutdown)(struct socket *socket, int how);
    int (*name)(struct socket *socket, bool peer, struct socket_address *address_out);
    uint32_t (*poll)(struct socket *socket, struct poller *poller);
    int64_t (*ioctl)(struct socket *socket, uint32_t request, uint64_t argument);
    /* Whoever is on the other side: false if nobody. */
    bool (*peer_credentials)(struct socket *socket, struct linux_ucred *credentials_out);
    int (*take_error)(struct socket *socket); /* the pending one, positive; 0 */
    /* Its file is closed; the file's reference. */
    void (*close)(struct socket *socket);
};

struct socket {
    const struct socket_ops *ops; /* constant, as family and type */
    uint16_t family, type;
    bool listening;
    bool passes_credentials;                      /* SO_PASSCRED */
    uint32_t on;                                  /* options that are only kept, a bit each */
    uint64_t linger;                              /* SO_LINGER, as it was set */
    uint64_t receive_timeout_ns, send_timeout_ns; /* 0: none */
    uint32_t send_bytes, receive_bytes;           /* SO_SNDBUF, SO_RCVBUF */
};

enum { SOCKET_BYTES = 212992 }; /* that a socket keeps for its reader */

extern const struct file_ops socket_file_ops;
/* A file of that socket, whose reference it takes, also when it fails. */
int socket_file(struct socket *socket_taken, uint32_t flags, struct file **file_out);
/* -EBADF, -ENOTSOCK. The file is counted. */
int socket_get(int fd, struct file **file_out, struct socket **socket_out);
/* 0: at once; for task_sleep. */
uint64_t socket_deadline(uint64_t timeout_ns);
int address_in(struct socket_address *address, uaddr_t from, uint32_t size_bytes);
/* As accept and recvfrom: cut to the room, and the whole length told. */
int address_out(const struct socket_address *address, uaddr_t to, uaddr_t size_at);

/* Control messages: from the guest (-EINVAL, -EBADF, -EPERM, -EMSGSIZE as its credentials), and to
 * it. What is left of rights is given up by control_end. */
int control_in(struct control *control, uaddr_t from, uint64_t size_bytes);
/* Bytes used; MSG_CTRUNC goes to *flags_out if not all found room. */
uint64_t control_out(struct control *control, uaddr_t to, uint64_t size_bytes, uint32_t flags,
                     uint32_t *flags_out);
void control_end(struct control *control);
/* The caller's: of a connection the ids in effect; of a message that does not say its own the real
 * ones, since what a set-id program writes may go where its user says. */
void credentials_own(struct linux_ucred *credentials_out);
void credentials_real(struct linux_ucred *credentials_out);

int unix_create(uint16_t type, struct socket **socket_out);
int unix_pair(uint16_t type, struct socket *socket_out[2]);
