/* Memory, and mapping it. */
#include <kernel/audit.h>
#include <kernel/device.h>
#include <kernel/guest.h>
#include <kernel/memory.h>
#include <kernel/process.h>
#include <kernel/syscall.h>

/* Calls that go in slices keep in their arguments how far they are. */
static void set_argument(unsigned index, uint64_t value)
{
    arch_frame_syscall_set_argument(&cpu_self()->current->frame, index, value);
}

/* ---- Memory ---- */

enum status sys_memory_create(const struct sys_memory_create_args *args,
                              struct sys_memory_create_ret *ret)
{
    struct budget *payer = object_as_budget(args->budget);
    struct memory *memory;
    enum status status = (args->flags & MEMORY_FLAGS_CONTIGUOUS) != 0
                             ? memory_create_contiguous(payer, args->size_bytes, args->align_bytes,
                                                        args->limit, &memory)
                             : memory_create(payer, args->size_bytes, &memory);

    return status == OK ? syscall_install(&memory->object, &ret->memory) : status;
}

/* In the handle of the Memory that a clone goes into, beyond all indices of slots: the call has
 * made it itself, and closes it again if it fails; it has failed, and `done` says how.
 */
#define CLONE_MADE BIT64(31)
#define CLONE_UNDO BIT64(30)

static enum status clone_make(const struct sys_memory_clone_args *args, uint64_t *into_out)
{
    struct memory *memory;
    enum status status = memory_create(object_as_budget(args->budget), args->size_bytes, &memory);

    if (status == OK)
        status = syscall_install(&memory->object, into_out);
    if (status != OK)
        return status;
    *into_out |= CLONE_MADE;
    set_argument(4, *into_out);
    return OK;
}

static enum status clone_slice(const struct sys_memory_clone_args *args, uint64_t handle)
{
    struct work work = { WORK_SLICE };
    uint64_t first = args->offset >> PAGE_SHIFT;
    uint64_t page = (args->offset + args->done) >> PAGE_SHIFT;
    struct object *clone;
    enum status status =
        syscall_lookup(handle, OBJECT_MEMORY, RIGHT_MEMORY_READ | RIGHT_MEMORY_WRITE, &clone);

    if (status == OK)
        status = memory_share(object_as_memory(args->memory), &page,
                              (args->offset + args->size_bytes) >> PAGE_SHIFT,
                              object_as_memory(clone), -(int64_t)first, &work);
    set_argument(5, (page - first) << PAGE_SHIFT);
    return status;
}

/* Then it is as it was before the call. */
static enum status clone_undo(const struct sys_memory_clone_args *args)
{
    struct work work = { WORK_SLICE };
    enum status why = (enum status)(args->done >> PAGE_SHIFT);

    if (cspace_close(&process_current()->cspace, args->into & ~(CLONE_MADE | CLONE_UNDO), &work) ==
        ERR_WOULD_BLOCK)
        return SYSCALL_RESTART;
    set_argument(4, HANDLE_NONE);
    set_argument(5, 0);
    return why != OK && why < SYSCALL_RESTART ? why : ERR_NOT_FOUND; /* nothing failed: forged */
}

static enum status clone_into(const struct sys_memory_clone_args *args, uint64_t into,
                              struct sys_memory_clone_ret *ret)
{
    enum status status = clone_slice(args, into & ~CLONE_MADE);
    ret->clone = status == OK ? into & ~CLONE_MADE : HANDLE_NONE;
    if (status == OK || status == ERR_WOULD_BLOCK || (into & CLONE_MADE) == 0)
        return syscall_sliced(status);
    set_argument(4, into | CLONE_UNDO);
    set_argument(5, (uint64_t)status << PAGE_SHIFT);
    return SYSCALL_RESTART;
}

enum status sys_memory_clone(const struct sys_memory_clone_args *args,
                             struct sys_memory_clone_ret *ret)
{
    uint64_t into = args->into;

    if ((into & CLONE_UNDO) != 0)
        return clone_undo(args);
    enum status status = into == HANDLE_NONE ? clone_make(args, &into) : OK;
    return status == OK ? clone_into(args, into, ret) : status;
}

enum status sys_memory_range(const struct sys_memory_range_args *args)
{
    struct memory *memory = object_as_memory(args->memory);
    struct work work = { WORK_SLICE };
    uint64_t page = args->offset >> PAGE_SHIFT;
    uint64_t end = page + (args->size_bytes >> PAGE_SHIFT);
    enum status status = args->op == MEMORY_OP_COMMIT ? memory_commit(memory, &page, end, &work)
                                                      : memory_decommit(memory, &page, end, &work);

    set_argument(2, page << PAGE_SHIFT);
    set_argument(3, (end - page) << PAGE_SHIFT);
    return syscall_sliced(status);
}

/* ---- Address spaces ---- */

/* The handle names something, but nothing that the call is for: recorded as where the type is one
 * of the table's. */
static enum status wrong_type(uint64_t handle, enum object_type wanted, uint32_t rights)
{
    audit_denial(handle, wanted, rights, ERR_NOT_FOUND);
    return ERR_NOT_FOUND;
}

static enum status space_lookup(uint64_t handle, struct vspace **vspace_out)
{
    struct capability_ref ref;
    enum status status = syscall_capability(handle, OBJECT_ANY, 0, &ref);

    if (status != OK)
        return status;
    switch (ref.object->type) {
    case OBJECT_PROCESS:
        *vspace_out = object_as_process(ref.object)->vspace;
        return syscall_right(&ref, RIGHT_PROCESS_MAP);
    case OBJECT_GUEST:
        *vspace_out = object_as_guest(ref.object)->vspace;
        return syscall_right(&ref, RIGHT_GUEST_MAP);
    default:
        return wrong_type(handle, OBJECT_PROCESS, RIGHT_PROCESS_MAP);
    }
}

/* Rights are numbered alike for Memory and devices, and as the kernel's own. */
static unsigned perm_of(uint32_t bits)
{
    return bits & (PERM_READ | PERM_WRITE | PERM_EXECUTE);
}

_Static_assert((unsigned)RIGHT_MEMORY_READ == PERM_READ && (unsigned)ACCESS_READ == PERM_READ &&
                   (unsigned)RIGHT_MEMORY_WRITE == PERM_WRITE &&
                   (unsigned)ACCESS_WRITE == PERM_WRITE &&
                   (unsigned)RIGHT_MEMORY_EXECUTE == PERM_EXECUTE &&
                   (unsigned)ACCESS_EXECUTE == PERM_EXECUTE,
               "one numbering");
_Static_assert((unsigned)RIGHT_DEVICE_READ == PERM_READ &&
                   (unsigned)RIGHT_DEVICE_WRITE == PERM_WRITE &&
                   (unsigned)RIGHT_DEVICE_MAP == (unsigned)RIGHT_MEMORY_MAP,
               "devices too");

/* A device capability covers a span of the Memory that has all registers. */
static enum status shown_by(const struct capability *capability, struct map_request *request)
{
    struct object *object = capability->object;

    if (object->type == OBJECT_MEMORY) {
        request->memory = object_as_memory(object);
        return OK;
    }
    if (object->type != OBJECT_DEVICE)
        return wrong_type(capability->handle, OBJECT_MEMORY, RIGHT_MEMORY_MAP);
    request->memory = object_as_device(object)->registers;
    return device_at(object, false, capability->badge, request->offset, request->size_bytes,
                     &request->offset);
}

/* With the capability's object locked, so that a revocation finds the mapping or prevents it. */
static enum status map_through(struct vspace *vspace, struct capability *capability,
                               const struct sys_map_args *args)
{
    unsigned asked = perm_of(args->access);
    struct map_request request = {
        .capability = capability,
        .at = args->at,
        .size_bytes = args->size_bytes,
        .offset = args->offset,
        .perm = asked,
        .limit = perm_of(capability->rights),
        .flags = ((args->access & ACCESS_SHARED) != 0 ? MAP_SHARED : 0) |
                 ((args->access & ACCESS_POPULATE) != 0 ? MAP_POPULATE : 0),
    };

    enum status status = shown_by(capability, &request);
    if (status != OK)
        return status;
    /* Writing and executing need reading as well, since the hardware gives it along. */
    if (((asked | PERM_READ) & ~request.limit) != 0)
        return ERR_ACCESS;
    return vspace_map(vspace, &request);
}

enum status sys_map(const struct sys_map_args *args)
{
    struct capability *capability;
    struct vspace *vspace;
    enum status status = space_lookup(args->space, &vspace);

    if (status == OK)
        status = syscall_acquire(args->memory, OBJECT_ANY, RIGHT_MEMORY_MAP, &capability);
    if (status != OK)
        return status;
    status = map_through(vspace, capability, args);
    return syscall_release(capability, args->memory, perm_of(args->access), status);
}

/* Of an address space, as far as it is still to be worked on. */
struct range {
    struct vspace *vspace;
    uint64_t at;
    uint64_t end;
    struct work work;
};

static enum status range_begin(uint64_t space, uaddr_t at, uint64_t size_bytes, struct range *range)
{
    enum status status = space_lookup(space, &range->vspace);

    if (status == OK && !vspace_area_ok(range->vspace, at, size_bytes))
        status = ERR_RANGE;
    range->at = at.raw;
    range->end = at.raw + size_bytes;
    range->work.left = WORK_SLICE;
    return status;
}

static enum status range_done(const struct range *range, enum status status)
{
    set_argument(1, range->at);
    set_argument(2, range->end - range->at);
    return syscall_sliced(status);
}

enum status sys_unmap(const struct sys_unmap_args *args)
{
    struct range range;
    enum status status = range_begin(args->space, args->at, args->size_bytes, &range);

    if (status != OK)
        return status;
    status = vspace_unmap_slice(range.vspace, &range.at, range.end, &range.work);
    return range_done(&range, status);
}

enum status sys_protect(const struct sys_protect_args *args)
{
    struct range range;
    enum status status = range_begin(args->space, args->at, args->size_bytes, &range);

    if (status == OK && (args->access & (unsigned)(ACCESS_SHARED | ACCESS_POPULATE)) != 0)
        status = ERR_RANGE;
    if (status != OK)
        return status;
    status = vspace_protect_slice(range.vspace, &range.at, range.end, perm_of(args->access),
                                  &range.work);
    return range_done(&range, status);
}
