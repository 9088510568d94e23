/* See mtrr.h. */

#include "mtrr.h"

#include "cpu.h"

#include <base/string.h>

#include <stdbool.h>
#include <stddef.h>

#define CPUID_1_MTRR       BIT64(12) /* edx */
#define MSR_MTRR_CAP       0xfe
#define MSR_MTRR_DEFAULT   0x2ff
#define MSR_MTRR_VARIABLE  0x200
#define MTRR_CAP_FIXED     BIT64(8)
#define MTRR_ENABLE        BIT64(11)
#define CR0_CACHE_DISABLE  BIT64(30)
#define CR0_NOT_WRITE_BACK BIT64(29)

enum { VARIABLE_MAX = 2 * 16, FIXED_COUNT = 11 };

static const uint16_t fixed_msr[FIXED_COUNT] = { 0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                                 0x26b, 0x26c, 0x26d, 0x26e, 0x26f };

struct mtrr {
    uint64_t default_type;
    uint64_t fixed[FIXED_COUNT];
    uint64_t variable[VARIABLE_MAX];
};

static struct mtrr saved;

static bool mtrr_present(void)
{
    return (cpuid(1).edx & CPUID_1_MTRR) != 0;
}

/* Each pair is a base and a mask. */
static size_t variable_count(void)
{
    return MIN((size_t)(msr_read(MSR_MTRR_CAP) & 0xff) * 2, (size_t)VARIABLE_MAX);
}

static bool fixed_present(void)
{
    return (msr_read(MSR_MTRR_CAP) & MTRR_CAP_FIXED) != 0;
}

static void mtrr_read(struct mtrr *mtrr)
{
    memset(mtrr, 0, sizeof(*mtrr));
    mtrr->default_type = msr_read(MSR_MTRR_DEFAULT);
    for (size_t i = 0; i < FIXED_COUNT && fixed_present(); i++)
        mtrr->fixed[i] = msr_read(fixed_msr[i]);
    for (size_t i = 0; i < variable_count(); i++)
        mtrr->variable[i] = msr_read((uint32_t)(MSR_MTRR_VARIABLE + i));
}

static void mtrr_write(const struct mtrr *mtrr)
{
    for (size_t i = 0; i < FIXED_COUNT && fixed_present(); i++)
        msr_write(fixed_msr[i], mtrr->fixed[i]);
    for (size_t i = 0; i < variable_count(); i++)
        msr_write((uint32_t)(MSR_MTRR_VARIABLE + i), mtrr->variable[i]);
    msr_write(MSR_MTRR_DEFAULT, mtrr->default_type);
}

static void caches_flush(void)
{
    uint64_t root;
    __asm__ volatile("wbinvd; mov %%cr3, %0; mov %0, %%cr3" : "=r"(root) : : "memory");
}

void mtrr_save(void)
{
    if (mtrr_present())
        mtrr_read(&saved);
}

/* The order is the manual's (11.11.8): caches off, flush, registers off, write, flush, caches on.
 */
void mtrr_load(void)
{
    struct mtrr own;
    if (!mtrr_present())
        return;
    mtrr_read(&own);
    if (memcmp(&own, &saved, sizeof(own)) == 0)
        return;

    uint64_t cr0 = cr0_read();
    cr0_write((cr0 | CR0_CACHE_DISABLE) & ~CR0_NOT_WRITE_BACK);
    caches_flush();
    msr_write(MSR_MTRR_DEFAULT, own.default_type & ~MTRR_ENABLE);
    mtrr_write(&saved);
    caches_flush();
    cr0_write(cr0);
}
