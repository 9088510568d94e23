/* What the compiler can be told: attributes, and the few macros that every file needs.
 *
 * Clang checks the locking attributes (-Wthread-safety) and MUST_USE on an enum; gcc ignores what
 * it does not know.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__clang__) && !defined(__cppcheck__)
#define MUST_USE         __attribute__((warn_unused_result))
#define CAPABILITY(name) __attribute__((capability(name)))
#define REQUIRES(...)    __attribute__((requires_capability(__VA_ARGS__)))
#define ACQUIRES(...)    __attribute__((acquire_capability(__VA_ARGS__)))
#define RELEASES(...)    __attribute__((release_capability(__VA_ARGS__)))
#define EXCLUDES(...)    __attribute__((locks_excluded(__VA_ARGS__)))
#define NO_LOCK_ANALYSIS __attribute__((no_thread_safety_analysis))
#else
#define MUST_USE
#define CAPABILITY(name)
#define REQUIRES(...)
#define ACQUIRES(...)
#define RELEASES(...)
#define EXCLUDES(...)
#define NO_LOCK_ANALYSIS
#endif

#ifndef static_assert /* <assert.h> is the C library's */
#define static_assert _Static_assert
#endif

#define NORETURN                       __attribute__((noreturn))
#define PRINTF_LIKE(text_at, first_at) __attribute__((__format__(__printf__, text_at, first_at)))
#define PACKED                         __attribute__((packed))
#define ALIGNED(bytes)                 __attribute__((aligned(bytes)))
#define SECTION(name)                  __attribute__((section(name)))
#define USED                           __attribute__((used))
#define UNUSED                         __attribute__((unused))
#define FALLTHROUGH                    __attribute__((fallthrough))
#define ALWAYS_INLINE                  inline __attribute__((always_inline))
/* For what is called rarely from where every register counts: the function itself saves them. */
#if __has_attribute(preserve_most)
/* For functions that return nothing: clang 14 restores the register of the result, too. */
#define PRESERVES_MOST __attribute__((preserve_most))
#else
#define PRESERVES_MOST
#endif
#define NOINLINE    __attribute__((noinline))
#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b)        ((a) < (b) ? (a) : (b))
#define MAX(a, b)        ((a) > (b) ? (a) : (b))
#define BIT64(n)         ((uint64_t)1 << (n))

/* `align` is a power of two. ALIGN_UP may wrap: check the sum first when the value is a stranger's.
 */
#define ALIGN_DOWN(value, align) ((value) & ~((__typeof__(value))(align)-1))
#define ALIGN_UP(value, align)   ALIGN_DOWN((value) + ((__typeof__(value))(align)-1), align)
#define IS_ALIGNED(value, align) (((value) & ((__typeof__(value))(align)-1)) == 0)

/* The structure that holds `pointer` as its member. Through an integer, so that it also serves a
 * pointer to const: what is behind it is the caller's knowledge. */
#define CONTAINER_OF(pointer, type, member) ((type *)((uintptr_t)(pointer)-offsetof(type, member)))

/* One access, by the compiler's promise: for words that others write at the same time. By way of
 * void, because gcc objects to adding qualifiers below a pointer.
 */
#define READ_ONCE(x)         (*(const volatile __typeof__(x) *)(const volatile void *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)(volatile void *)&(x) = (value))
