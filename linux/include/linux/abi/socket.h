/* Sockets: families, types, options, messages. socket(7), unix(7), cmsg(3). */
#pragma once

#include <base/compiler.h>
#include <stdint.h>

enum { AF_UNSPEC = 0, AF_UNIX = 1 };
enum { SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_RAW = 3, SOCK_SEQPACKET = 5, SOCK_TYPE_MASK = 15 };

#define MSG_OOB          0x01u
#define MSG_PEEK         0x02u
#define MSG_CTRUNC       0x08u
#define MSG_TRUNC        0x20u
#define MSG_DONTWAIT     0x40u
#define MSG_EOR          0x80u
#define MSG_WAITALL      0x100u
#define MSG_ERRQUEUE     0x2000u
#define MSG_NOSIGNAL     0x4000u
#define MSG_WAITFORONE   0x10000u
#define MSG_CMSG_CLOEXEC 0x40000000u

enum { SHUT_RD, SHUT_WR, SHUT_RDWR };
enum { SOMAXCONN = 4096 };

enum { SOL_SOCKET = 1 };
enum {
    SO_REUSEADDR = 2,
    SO_TYPE = 3,
    SO_ERROR = 4,
    SO_BROADCAST = 6,
    SO_SNDBUF = 7,
    SO_RCVBUF = 8,
    SO_KEEPALIVE = 9,
    SO_PRIORITY = 12,
    SO_LINGER = 13,
    SO_REUSEPORT = 15,
    SO_PASSCRED = 16,
    SO_PEERCRED = 17,
    SO_RCVLOWAT = 18,
    SO_RCVTIMEO = 20,
    SO_SNDTIMEO = 21,
    SO_ACCEPTCONN = 30,
    SO_SNDBUFFORCE = 32,
    SO_RCVBUFFORCE = 33,
    SO_PROTOCOL = 38,
    SO_DOMAIN = 39,
};

enum { SCM_RIGHTS = 1, SCM_CREDENTIALS = 2, SCM_MAX_FD = 253 };

enum { UNIX_PATH_MAX = 108, SOCKADDR_MAX = 128 };

struct linux_sockaddr_un {
    uint16_t family;
    char path[UNIX_PATH_MAX];
};

struct linux_msghdr {
    uint64_t name;
    uint32_t name_bytes, padding;
    uint64_t parts, part_count;
    uint64_t control, control_bytes;
    uint32_t flags, padding_2;
};
static_assert(sizeof(struct linux_msghdr) == 56, "struct msghdr");

struct linux_cmsghdr {
    uint64_t size_bytes; /* with this */
    int32_t level, type;
};

struct linux_ucred {
    int32_t pid;
    uint32_t uid, gid;
};
