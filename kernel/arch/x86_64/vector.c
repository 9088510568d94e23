/* FPU, SSE and AVX state (Intel SDM vol. 1, chapter 13).
 *
 * CR0.TS keeps the unit shut. The first vector instruction of a thread traps: the thread gets an
 * area with the state as after reset, and from then on has the unit open whenever it runs. Going to
 * a thread without an area empties and shuts the unit; going to one with an area replaces every
 * register. So what a thread finds there is its own or nothing. (A CPU may look ahead into
 * registers behind TS, which is why shutting alone is not enough.)
 */
#include "regs.h"
#include "vector_impl.h"
#include "x86.h"
#include <kernel/log.h>
#include <kernel/panic.h>
#include <kernel/slab.h>
#include <kernel/thread.h>
#include <kernel/trap.h>

/* The size depends on the CPU. */
static struct slab_cache vector_cache = { .name = "vector state", .align_bytes = 64 };
static uint64_t vector_components; /* XCR0 */
/* Components of which the header says "as after reset" have no place in the area. */
static uint8_t reset_area[FXSAVE_BYTES + XSAVE_HEADER_BYTES] ALIGNED(64);

static void xcr0_write(uint64_t value)
{
    __asm__ volatile("xsetbv"
                     :
                     : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

/* All of AVX-512 or nothing of it; nothing that needs a permission or a control register of its
 * own. */
uint64_t x86_vector_components_of(uint64_t supported)
{
    uint64_t wanted = XSTATE_X87 | XSTATE_SSE | (supported & XSTATE_AVX);
    if ((supported & XSTATE_AVX) != 0 && (supported & XSTATE_AVX512) == XSTATE_AVX512)
        wanted |= XSTATE_AVX512;
    return wanted;
}

void x86_vector_init(void)
{
    size_t size_bytes = FXSAVE_BYTES;
    if (x86_features.xsave) {
        struct cpuid supported = cpuid(0xd, 0);
        vector_components = x86_vector_components_of((uint64_t)supported.edx << 32 | supported.eax);
        xcr0_write(vector_components);
        size_bytes = cpuid(0xd, 0).ebx; /* for what XCR0 allows */
        ASSERT(size_bytes >= FXSAVE_BYTES + XSAVE_HEADER_BYTES && size_bytes <= 16384);
    }
    vector_cache.object_size_bytes = size_bytes;
    x86_vector_area_reset(reset_area);
}

void x86_vector_cpu_init(void)
{
    if (x86_features.xsave)
        xcr0_write(vector_components);
}

void x86_vector_save(struct thread *thread)
{
    void *area = thread->arch.vector_area;
    uint32_t low = (uint32_t)vector_components;
    uint32_t high = (uint32_t)(vector_components >> 32);
    if (x86_features.xsave)
        __asm__ volatile("xsaveopt64 (%0)" : : "r"(area), "a"(low), "d"(high) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

/* Put addresses of our own where the previous thread's would stay: a load of a word that is here
 * anyway. */
static void pointers_overwrite(void)
{
    static const int32_t word = 0;
    __asm__ volatile("fnclex; emms; fildl %0" : : "m"(word));
}

static void area_load(const void *area)
{
    if (UNLIKELY(x86_features.keeps_pointers))
        pointers_overwrite();
    if (x86_features.xsave)
        __asm__ volatile("xrstor64 (%0)"
                         :
                         : "r"(area), "a"((uint32_t)vector_components),
                           "d"((uint32_t)(vector_components >> 32))
                         : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

/* Opens the unit, if it is shut. */
void x86_vector_load(struct thread *thread)
{
    if (!cpu_self()->arch.vector_on) {
        __asm__ volatile("clts" : : : "memory");
        cpu_self()->arch.vector_on = true;
    }
    area_load(thread->arch.vector_area);
}

/* It is open. */
void x86_vector_close(void)
{
    area_load(reset_area);
    cpu_self()->arch.vector_on = false;
    write_cr0(read_cr0() | CR0_TS);
}

/* The state as after reset. XSAVE areas say so by a header of zeros; MXCSR is always read. */
void x86_vector_area_reset(void *area)
{
    struct vector_legacy *legacy = area;
    legacy->control = 0x037f;
    legacy->mxcsr = 0x1f80;
}

void x86_vector_first_use(struct thread *current)
{
    DEBUG_ASSERT(current->arch.vector_area == NULL);
    void *area = slab_alloc(&vector_cache);
    if (area == NULL) {
        trap_user_exception(current, "no memory for vector state", arch_frame_ip(&current->frame));
        return;
    }
    x86_vector_area_reset(area);
    current->arch.vector_area = area;
    current->extended = true;
    x86_vector_load(current);
}

void x86_vector_free(void *area_taken)
{
    if (area_taken != NULL)
        slab_free(&vector_cache, area_taken);
}

size_t x86_vector_bytes(void)
{
    return vector_cache.object_size_bytes;
}
