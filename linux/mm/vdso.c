/* The time without a system call: one Memory with the object and its data, in every address space.
 */
#include "exec_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/vdso.h>

static struct rt_lock made_lock;
static struct memory *made;     /* made_lock */
static struct vdso_data *words; /* made_lock */

static int make(const struct machine_vdso *vdso)
{
    void *window;
    struct memory *memory;
    if (vdso->size_bytes > VDSO_DATA_OFFSET)
        machine_panic("the vDSO is too large");
    int error = memory_allocate(VDSO_BYTES, &memory);
    if (error != 0)
        return error;
    error = memory_commit(memory, 0, VDSO_BYTES);
    if (error == 0)
        error = machine_map(memory, 0, VDSO_BYTES, MACHINE_READ | MACHINE_WRITE | MACHINE_FILL,
                            &window);
    if (error != 0) {
        memory_put(memory);
        return error;
    }
    memcpy(window, vdso->image, vdso->size_bytes);
    words = (struct vdso_data *)(void *)((char *)window + VDSO_DATA_OFFSET);
    words->counter_base = vdso->counter_base;
    words->ns_per_count = vdso->ns_per_count;
    made = memory;
    return 0;
}

/* Counted; whenever a program begins the time of day is looked at anew. */
static int vdso_memory(struct memory **memory_out)
{
    struct machine_vdso vdso;
    *memory_out = NULL;
    if (!machine_vdso(&vdso))
        return 0;
    rt_lock(&made_lock);
    int error = made == NULL ? make(&vdso) : 0;
    if (error == 0) {
        __atomic_store_n(&words->realtime_offset_ns, machine_realtime_offset_ns(),
                         __ATOMIC_RELAXED);
        *memory_out = memory_get(made);
    }
    rt_unlock(&made_lock);
    return error;
}

static int64_t map_part(struct mm *mm, struct memory *memory, uint64_t at, uint64_t offset,
                        uint32_t protection)
{
    const struct area like = {
        .protection = protection,
        .flags = MAP_SHARED,
        .memory = memory,
        .offset = offset,
        .fixed_rights = true,
    };
    uint64_t size_bytes = offset == 0 ? VDSO_DATA_OFFSET : VDSO_BYTES - VDSO_DATA_OFFSET;
    return map_locked(mm, at, size_bytes, &like, MAP_FIXED);
}

int vdso_map(struct mm *mm, uint64_t *at_out)
{
    struct memory *memory;
    int error = vdso_memory(&memory);
    if (error != 0 || memory == NULL)
        return error;
    rt_lock(&mm->lock);
    int64_t at = (int64_t)space_find(mm, VDSO_BYTES, MMAP_LOWEST, mm->mmap_top);
    int64_t done = at == 0 ? -ENOMEM : map_part(mm, memory, (uint64_t)at, 0, PROT_READ | PROT_EXEC);
    if (done >= 0)
        done = map_part(mm, memory, (uint64_t)at + VDSO_DATA_OFFSET, VDSO_DATA_OFFSET, PROT_READ);
    rt_unlock(&mm->lock);
    memory_put(memory);
    if (done < 0)
        return (int)done;
    *at_out = (uint64_t)at;
    return 0;
}

uint64_t mm_sigreturn(const struct mm *mm)
{
    return mm->vdso == 0 ? 0 : mm->vdso + VDSO_SIGRETURN_OFFSET;
}
