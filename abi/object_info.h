/* What object_info tells of an object. The head is the same for each type; `detail` is by type, and
 * zero for those that are not listed.
 */
#pragma once

#include <stdint.h>

enum { OBJECT_INFO_ACCOUNTS = 3, OBJECT_INFO_DETAIL_WORDS = 24 };

struct object_info_budget {
    uint64_t used[OBJECT_INFO_ACCOUNTS]; /* memory in bytes, capabilities, threads */
    uint64_t limit[OBJECT_INFO_ACCOUNTS];
    uint64_t soft[OBJECT_INFO_ACCOUNTS];
};

struct object_info_process {
    uint64_t thread_count; /* those that have ended and are still named somewhere included */
    uint64_t capability_count;
    uint64_t ending;
    uint64_t fault_count; /* threads that a fault ended */
};

struct object_info_device {
    uint64_t first; /* address or port; what the machine does not have or the kernel keeps counts */
    uint64_t size;  /* bytes or ports */
    uint64_t ports; /* 1: I/O ports */
};

struct object_info_irq {
    uint64_t first;
    uint64_t count;
    uint64_t trigger; /* enum irq_trigger that was chosen */
    uint64_t bound;   /* 1: somebody has bound this line */
    uint64_t message; /* 1: its device signals it by writing data (32 bits) to address */
    uint64_t message_address;
    uint64_t message_data;
};

struct object_info_dma {
    uint64_t first; /* device number */
    uint64_t count;
    uint64_t quarantined_pages; /* of these devices; nothing is pinned for them while there are */
};

struct object_info_system {
    uint64_t uptime_ns;
    uint64_t cpu_count;
    uint64_t frame_count; /* of 4 KiB */
    uint64_t frames_free;
    uint64_t thread_count;
    uint64_t objects_made; /* since boot, of all types */
    uint64_t audit_next;   /* number of the next audit record */
    uint64_t audit_oldest; /* of the oldest that is still there */
    uint64_t audit_lost;   /* records that were overwritten unread */
    uint64_t boot_time_s;  /* UNIX time; 0 if the loader brought none */
    uint64_t counter_base; /* these two make a clock page (abi/clock_page.h) */
    uint64_t ns_per_count;
    uint64_t cpu_random; /* 1: programs can take random numbers from the CPU */
};

struct object_info_memory {
    uint64_t size_bytes;
    uint64_t resident_pages; /* that it has; those it shares with clones included */
    uint64_t mapping_count;
    uint64_t kind; /* 0 pages, 1 contiguous, 2 physical */
};

struct object_info_thread {
    uint64_t dead;
    uint64_t faulted; /* that is what it died of, at fault_address */
    uint64_t fault_address;
    uint64_t priority;
    uint64_t ceiling;
    uint64_t run_ns; /* up to when it last left its CPU */
};

struct object_info {
    uint64_t id;     /* never used again */
    uint32_t type;   /* enum object_type */
    uint32_t rights; /* of the capability that was asked through */
    uint64_t badge;
    uint64_t capability_count; /* that name it, everywhere */
    uint64_t size_bytes;       /* what its budget paid for the object itself */
    union {
        uint64_t word[OBJECT_INFO_DETAIL_WORDS];
        struct object_info_budget budget;
        struct object_info_process process;
        struct object_info_thread thread;
        struct object_info_memory memory;
        struct object_info_device device;
        struct object_info_irq irq;
        struct object_info_dma dma;
        struct object_info_system system;
    } detail;
};

/* One line of a table of capabilities (process_inspect). */
struct handle_info {
    uint64_t handle;
    uint64_t object_id;
    uint64_t badge;
    uint64_t origin; /* id of the process whose table it came from */
    uint32_t type;   /* enum object_type */
    uint32_t rights;
};
