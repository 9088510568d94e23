/* Device registers. One plain load or store each: forms with write-back carry no syndrome, which a
 * hypervisor that emulates the device needs.
 */
#pragma once

#include <stdint.h>

static inline uint32_t mmio_read32(const volatile void *base, uint64_t offset)
{
    uint32_t value;
    const volatile char *at = (const volatile char *)base + offset;
    __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(at) : "memory");
    return value;
}

static inline void mmio_write32(volatile void *base, uint64_t offset, uint32_t value)
{
    volatile char *at = (volatile char *)base + offset;
    __asm__ volatile("str %w0, [%1]" : : "r"(value), "r"(at) : "memory");
}

static inline uint64_t mmio_read64(const volatile void *base, uint64_t offset)
{
    uint64_t value;
    const volatile char *at = (const volatile char *)base + offset;
    __asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(at) : "memory");
    return value;
}

static inline void mmio_write64(volatile void *base, uint64_t offset, uint64_t value)
{
    volatile char *at = (volatile char *)base + offset;
    __asm__ volatile("str %0, [%1]" : : "r"(value), "r"(at) : "memory");
}

static inline void mmio_write8(volatile void *base, uint64_t offset, uint8_t value)
{
    volatile char *at = (volatile char *)base + offset;
    __asm__ volatile("strb %w0, [%1]" : : "r"(value), "r"(at) : "memory");
}
