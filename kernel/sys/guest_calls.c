/* Creating guests, entering them, and calling threads back out of them. */
#include <kernel/guest.h>
#include <kernel/memory.h>
#include <kernel/process.h>
#include <kernel/syscall.h>

/* Whoever may map into target reads there what source has, as only who enters source may. How far
 * it has come is in the last argument, when the call is made once more.
 */
static enum status copy(const struct sys_guest_create_args *args, struct sys_guest_create_ret *ret)
{
    struct object *source;
    struct object *target;
    struct work work = { WORK_SLICE };
    uint64_t at = args->at.raw;

    enum status status =
        syscall_lookup(args->source, OBJECT_GUEST, RIGHT_GUEST_ENTER | RIGHT_GUEST_MAP, &source);
    if (status == OK)
        status = syscall_lookup(args->target, OBJECT_GUEST, RIGHT_GUEST_MAP, &target);
    if (status != OK)
        return status;
    status = guest_clone(object_as_guest(source), object_as_guest(target),
                         object_as_budget(args->budget), &at, &work);
    if (status == ERR_WOULD_BLOCK)
        arch_frame_syscall_set_argument(&cpu_self()->current->frame, 5, at);
    ret->guest = args->target;
    return syscall_sliced(status);
}

enum status sys_guest_create(const struct sys_guest_create_args *args,
                             struct sys_guest_create_ret *ret)
{
    struct budget *budget = object_as_budget(args->budget);
    struct guest *guest;

    if (args->source != 0)
        return copy(args, ret);
    /* It refers to its sandbox's address space. */
    if (!budget_is_within(budget, args->process->payer))
        return ERR_INVALID;
    enum status status =
        guest_create(object_as_process(args->process)->vspace, budget, args->flags, &guest);
    return status == OK ? syscall_install(&guest->object, &ret->guest) : status;
}

static enum status bind(struct thread *current, uint64_t handle, uint64_t offset)
{
    struct object *memory;
    uint32_t rights = RIGHT_MEMORY_READ | RIGHT_MEMORY_WRITE | RIGHT_MEMORY_MAP;
    enum status status = syscall_lookup(handle, OBJECT_MEMORY, rights, &memory);

    return status == OK ? guest_bind(current, object_as_memory(memory), offset) : status;
}

/* A result goes into the frame only where the frame is still the sandbox's. */
void sys_guest_enter(struct thread *current)
{
    uint64_t handle = arch_frame_syscall_argument(&current->frame, 0);
    uint64_t state = arch_frame_syscall_argument(&current->frame, 1);
    struct object *object;

    enum status status = syscall_lookup(handle, OBJECT_GUEST, RIGHT_GUEST_ENTER, &object);
    if (UNLIKELY(state != 0) && status == OK)
        status = bind(current, state, arch_frame_syscall_argument(&current->frame, 2));
    if (LIKELY(status == OK))
        status = guest_go(current, object_as_guest(object));
    if (UNLIKELY(status != OK))
        arch_frame_syscall_return(&current->frame, (uint64_t)status, 0);
}

enum status sys_guest_kick(const struct sys_guest_kick_args *args)
{
    struct thread *thread = object_as_thread(args->thread);

    if (thread->vspace != object_as_guest(args->guest)->vspace->upper)
        return ERR_INVALID;
    guest_kick_thread(thread);
    return OK;
}
