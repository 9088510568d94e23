/* Where bytes come from, and memory that can run out: what lib/oci knows of the world. */
#pragma once

#include <base/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oci_source {
    void *context;
    /* Up to `room` bytes, at least one unless the end is reached. */
    enum status (*read)(void *context, void *to, size_t room, size_t *got_out);
    /* Go over so many bytes; false if there are fewer. NULL: they are read. */
    bool (*skip)(void *context, uint64_t size_bytes);
};

/* A source in memory. Each byte is read once, so the memory may be shared with others. */
struct oci_memory {
    const uint8_t *at;
    uint64_t left;
};

struct oci_source oci_memory_source(struct oci_memory *memory);

/* malloc and free. A test can make the nth allocation from now fail, and count those that live. */
void *oci_alloc(size_t size_bytes);
void *oci_realloc(void *old, size_t size_bytes);
void oci_free(void *memory);
/* Zeroed; NULL also where the product overflows. */
void *oci_alloc_zeroed(size_t count, size_t size_bytes);
/* A copy with a zero byte behind it. */
char *oci_copy_text(const char *text, size_t length);

extern uint64_t oci_alloc_fail_after; /* 0: never */
extern uint64_t oci_alloc_count;      /* that live */
