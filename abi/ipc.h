/* A message, as the IPC calls carry it: one word of information, a badge that the kernel stamps,
 * and up to eight words, all in registers. The last of the words may be handles; the kernel puts
 * there what the receiver may call the same capabilities.
 *
 * Registers beside the status (rax; x0):
 *              in                                   out
 *     rdi  x0  endpoint (or reply)
 *     rsi  x1  info                                 info
 *     rdx  x2  deadline                             badge
 *     r10  x3  reply
 *     r8 r9 rbx rbp r12 r13 r14 r15
 *          x4 x5 x6 x7 x9 x10 x11 x12              the words
 *
 * As many of the words count as info says; the others stay as they were. x8 may change; every other
 * register is kept.
 */
#pragma once

#include <stdint.h>

enum {
    IPC_WORDS = 8,
    IPC_CAPABILITIES = 4,

    /* Where the fields of info begin. */
    IPC_INFO_LABEL = 0,         /* 32 bits: what the two sides agreed upon */
    IPC_INFO_WORDS = 32,        /* 4 bits: how many words count */
    IPC_INFO_ACCEPT = 36,       /* 3 bits, in: how many capabilities the caller takes in return */
    IPC_INFO_CAPABILITIES = 40, /* 3 bits: how many of the last words are handles */
    IPC_INFO_MOVE = 44,         /* 4 bits, in: bit i: the i-th handle is moved, not copied */
};

/* Set by the kernel in what is received. */
#define IPC_INFO_CALL   ((uint64_t)1 << 48) /* the sender waits for the answer */
#define IPC_INFO_SIGNAL ((uint64_t)1 << 49) /* no message: word 0 has bits of a notification */

struct ipc_message {
    uint64_t info;
    uint64_t badge; /* of the capability through which it was sent; 0: none */
    uint64_t word[IPC_WORDS];
};

static inline uint64_t ipc_info(uint32_t label, unsigned words)
{
    return (uint64_t)words << IPC_INFO_WORDS | label;
}

/* The same with the last `capabilities` of the words as handles. `move`: bit i for the i-th. */
static inline uint64_t ipc_info_with(uint32_t label, unsigned words, unsigned capabilities,
                                     unsigned move)
{
    return ipc_info(label, words) | (uint64_t)capabilities << IPC_INFO_CAPABILITIES |
           (uint64_t)move << IPC_INFO_MOVE;
}

/* For info on the way in: up to `count` capabilities may come in return. */
static inline uint64_t ipc_info_accept(uint64_t info, unsigned count)
{
    return info | (uint64_t)count << IPC_INFO_ACCEPT;
}

static inline uint32_t ipc_info_label(uint64_t info)
{
    return (uint32_t)info;
}

static inline unsigned ipc_info_words(uint64_t info)
{
    return (unsigned)(info >> IPC_INFO_WORDS) & 15;
}

static inline unsigned ipc_info_accepts(uint64_t info)
{
    return (unsigned)(info >> IPC_INFO_ACCEPT) & 7;
}

static inline unsigned ipc_info_capabilities(uint64_t info)
{
    return (unsigned)(info >> IPC_INFO_CAPABILITIES) & 7;
}

static inline unsigned ipc_info_moved(uint64_t info)
{
    return (unsigned)(info >> IPC_INFO_MOVE) & 15;
}
