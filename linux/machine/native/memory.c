/* Memory objects, and where the personality sees them. */
#include <base/compiler.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <object_info.h>
#include <rt/guest.h>
#include <rt/lock.h>
#include <rt/pages.h>
#include <rt/startup.h>
#include <rt/syscall.h>

#include "native_impl.h"

/* lib/rt/arch. Bytes not copied, also where both sides are ours. */
size_t guest_copy_bytes(void *to, const void *from, size_t size_bytes);

int error_of(enum status status)
{
    switch (status) {
    case OK:
        return 0;
    case ERR_NO_MEMORY:
    case ERR_LIMIT:
    case ERR_DEAD:
        return -ENOMEM;
    case ERR_FAULT:
        return -EFAULT;
    case ERR_ACCESS:
        return -EACCES;
    case ERR_BUSY:
        return -EBUSY;
    case ERR_TIMED_OUT:
        return -ETIMEDOUT;
    default:
        return -EINVAL;
    }
}

/* ---- Objects ---- */

static int adopt(uint64_t handle, uint64_t size_bytes, struct memory **memory_out)
{
    struct memory *memory = heap_alloc(sizeof(*memory));
    if (memory == NULL)
        return -ENOMEM;
    *memory = (struct memory){ .handle = handle, .size_bytes = size_bytes, .references = 1 };
    *memory_out = memory;
    return 0;
}

int memory_adopt(uint64_t handle, uint64_t size_bytes, struct memory **memory_out)
{
    return adopt(handle, size_bytes, memory_out);
}

/* What fails here leaves no handle. */
static int adopt_new(enum status status, uint64_t handle, uint64_t size_bytes,
                     struct memory **memory_out)
{
    if (status != OK)
        return error_of(status);
    int error = adopt(handle, size_bytes, memory_out);
    if (error != 0)
        (void)handle_close(handle);
    return error;
}

int memory_allocate(uint64_t size_bytes, struct memory **memory_out)
{
    uint64_t handle = 0;
    enum status status = memory_create(native_guest_budget(), size_bytes, 0, 0, 0, &handle);
    return adopt_new(status, handle, size_bytes, memory_out);
}

int memory_snapshot(struct memory *source, uint64_t offset, uint64_t size_bytes,
                    struct memory **memory_out)
{
    uint64_t handle = 0;
    enum status status =
        memory_clone(source->handle, native_guest_budget(), offset, size_bytes, 0, 0, &handle);
    return adopt_new(status, handle, size_bytes, memory_out);
}

int memory_commit(struct memory *memory, uint64_t offset, uint64_t size_bytes)
{
    return error_of(memory_range(memory->handle, MEMORY_OP_COMMIT, offset, size_bytes));
}

/* Giving back may need a little memory first: a leaf or a mapping that is cut in two. So it is done
 * once more with what is kept in reserve. */
static enum status with_reserve(enum status (*give_back)(uint64_t object, uint64_t at,
                                                         uint64_t size_bytes),
                                uint64_t object, uint64_t at, uint64_t size_bytes)
{
    enum status status = give_back(object, at, size_bytes);
    if (status != ERR_LIMIT)
        return status;
    native_reserve(true);
    status = give_back(object, at, size_bytes);
    native_reserve(false);
    return status;
}

static enum status decommit(uint64_t memory, uint64_t at, uint64_t size_bytes)
{
    return memory_range(memory, MEMORY_OP_DECOMMIT, at, size_bytes);
}

int memory_clear(struct memory *memory, uint64_t offset, uint64_t size_bytes)
{
    return size_bytes == 0 ? 0
                           : error_of(with_reserve(decommit, memory->handle, offset, size_bytes));
}

uint64_t memory_resident(struct memory *memory)
{
    struct object_info info;
    if (object_info(memory->handle, &info, sizeof(info)) != OK)
        return 0;
    return info.detail.memory.resident_pages * MACHINE_PAGE;
}

struct memory *memory_get(struct memory *memory)
{
    (void)__atomic_fetch_add(&memory->references, 1, __ATOMIC_RELAXED);
    return memory;
}

void memory_put(struct memory *memory)
{
    if (memory == NULL || __atomic_sub_fetch(&memory->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    (void)handle_close(memory->handle);
    heap_free(memory);
}

/* ---- Windows: granules of the region, each with a bit ---- */

enum { GRANULE = 64 * 1024, GRANULE_COUNT = 4096 * 1024 };

static uint64_t window_word[GRANULE_COUNT / 64];
static struct rt_lock window_lock;
static struct pages windows = { .word = window_word, .count = GRANULE_COUNT }; /* window_lock */

void native_windows_init(void)
{
    static_assert(WINDOWS_SPAN / GRANULE == GRANULE_COUNT, "a bit for each granule");
    static_assert(WINDOWS_AT + WINDOWS_SPAN <= (uint64_t)1 << 47, "within user space");
}

static size_t granules(uint64_t size_bytes)
{
    return (size_t)(size_bytes / GRANULE + (size_bytes % GRANULE != 0));
}

static void window_free(uint64_t at, uint64_t size_bytes)
{
    rt_lock(&window_lock);
    pages_set(&windows, (size_t)((at - WINDOWS_AT) / GRANULE), granules(size_bytes), false);
    rt_unlock(&window_lock);
}

static bool window_take(uint64_t size_bytes, uint64_t *at_out)
{
    size_t first;
    rt_lock(&window_lock);
    bool taken = size_bytes <= WINDOWS_SPAN && pages_take(&windows, granules(size_bytes), &first);
    rt_unlock(&window_lock);
    if (taken)
        *at_out = WINDOWS_AT + (uint64_t)first * GRANULE;
    return taken;
}

static uint32_t access_of(uint32_t access)
{
    return ((access & MACHINE_READ) != 0 ? ACCESS_READ : 0) |
           ((access & MACHINE_WRITE) != 0 ? ACCESS_READ | ACCESS_WRITE : 0) |
           ((access & MACHINE_EXECUTE) != 0 ? ACCESS_READ | ACCESS_EXECUTE : 0) |
           ((access & MACHINE_SHARED) != 0 ? (uint32_t)ACCESS_SHARED : 0) |
           ((access & MACHINE_FILL) != 0 ? (uint32_t)ACCESS_POPULATE : 0);
}

int machine_map(struct memory *memory, uint64_t offset, uint64_t size_bytes, uint32_t access,
                void **at_out)
{
    uint64_t at;
    if (!window_take(size_bytes, &at))
        return -ENOMEM;
    enum status status =
        map(rt_process(), memory->handle, at, offset, size_bytes, access_of(access));
    if (status != OK) {
        window_free(at, size_bytes);
        return error_of(status);
    }
    *at_out = (void *)(uintptr_t)at;
    return 0;
}

void machine_unmap(void *at, uint64_t size_bytes)
{
    if (unmap(rt_process(), (uint64_t)(uintptr_t)at, size_bytes) != OK)
        machine_panic("cannot unmap");
    window_free((uint64_t)(uintptr_t)at, size_bytes);
}

bool native_commit(uint64_t memory, uint64_t offset, void *at, uint64_t size_bytes)
{
    if (memory_range(memory, MEMORY_OP_COMMIT, offset, size_bytes) != OK)
        return false;
    for (uint64_t done = 0; done < size_bytes; done += MACHINE_PAGE) {
        char *page = (char *)at + done;
        char byte;
        if (guest_copy_bytes(&byte, page, 1) != 0 || guest_copy_bytes(page, &byte, 1) != 0)
            return false;
    }
    return true;
}

/* ---- Guests ---- */

static uint32_t guest_flags = GUEST_SPLIT;

uint32_t native_guest_flags(void)
{
    return guest_flags;
}

void machine_set_fused(bool fused)
{
    guest_flags = fused ? 0 : GUEST_SPLIT;
}

static int space_of(enum status status, uint64_t handle, struct guest_space **space_out)
{
    if (status != OK)
        return error_of(status);
    struct guest_space *space = heap_alloc(sizeof(*space));
    if (space == NULL) {
        (void)handle_close(handle);
        return -ENOMEM;
    }
    space->handle = handle;
    *space_out = space;
    return 0;
}

int guest_space_create(struct guest_space **space_out)
{
    uint64_t handle = 0;
    enum status status =
        guest_create(rt_process(), native_guest_budget(), 0, native_guest_flags(), 0, 0, &handle);
    return space_of(status, handle, space_out);
}

int guest_space_fork_into(struct guest_space *source, struct guest_space *copy)
{
    uint64_t handle;
    return error_of(guest_create(rt_process(), native_guest_budget(), source->handle, 0,
                                 copy->handle, 0, &handle));
}

void guest_space_destroy(struct guest_space *space)
{
    (void)handle_close(space->handle);
    heap_free(space);
}

int guest_space_map(struct guest_space *space, uint64_t at, struct memory *memory, uint64_t offset,
                    uint64_t size_bytes, uint32_t access)
{
    uint32_t how = access_of(access);
    enum status status = map(space->handle, memory->handle, at, offset, size_bytes, how);
    if (status == ERR_EXISTS) {
        status = with_reserve(unmap, space->handle, at, size_bytes);
        if (status == OK)
            status = map(space->handle, memory->handle, at, offset, size_bytes, how);
    }
    return error_of(status);
}

int guest_space_unmap(struct guest_space *space, uint64_t at, uint64_t size_bytes)
{
    return error_of(with_reserve(unmap, space->handle, at, size_bytes));
}

int guest_space_protect(struct guest_space *space, uint64_t at, uint64_t size_bytes,
                        uint32_t access)
{
    return error_of(
        protect(space->handle, at, size_bytes,
                access_of(access) & (uint32_t)(ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE)));
}
