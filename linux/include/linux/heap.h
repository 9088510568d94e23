/* Memory of the personality itself: every structure of it. Zeroed; NULL when the container's budget
 * has no more, which every caller turns into ENOMEM and undoes what it began.
 *
 * Any thread; one lock inside, taken last.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

void *heap_alloc(size_t size_bytes) __attribute__((malloc, warn_unused_result));
/* An array; NULL also if the product overflows. */
void *heap_alloc_array(size_t count, size_t size_bytes) __attribute__((warn_unused_result));
/* Contents up to the smaller size are kept, the rest is zero; on failure the old one stays. */
void *heap_resize(void *memory, size_t size_bytes) __attribute__((warn_unused_result));
char *heap_copy_text(const char *text) __attribute__((warn_unused_result));
void heap_free(void *memory); /* NULL is nothing */

struct heap_counts {
    uint64_t blocks; /* that are out */
    uint64_t bytes;
};
struct heap_counts heap_counts(void);
/* Tests: allocation number `n` from here on fails (1 is the next), once; 0: none does. */
void heap_fail_after(uint64_t n);
