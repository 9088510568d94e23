/* Threads: what one does to itself, which needs no capability; making and controlling others; and
 * waiting for words of memory.
 */
#include <guest.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <kernel/wait.h>

void sys_thread_exit(void)
{
    thread_end_current(THREAD_END_EXIT);
}

void sys_thread_yield(const struct sys_thread_yield_args *args)
{
    if (args->deadline_ns == 0)
        sched_yield_current();
    else
        sched_sleep_current(args->deadline_ns);
}

/* ---- Creation ---- */

enum status sys_thread_create(const struct sys_thread_create_args *args,
                              struct sys_thread_create_ret *ret)
{
    struct process *process = object_as_process(args->process);
    const struct thread *current = cpu_self()->current;
    struct thread *thread;

    if (args->ip.raw >= USER_END || !arch_thread_pointer_ok(args->thread_pointer))
        return ERR_RANGE;
    /* It refers to the process for as long as somebody has a capability for it. */
    struct budget *budget = object_as_budget(args->budget);
    if (!budget_is_within(budget, process->object.payer))
        return ERR_INVALID;
    enum status status =
        thread_create(process->vspace, budget, args->ip, args->sp, args->argument, &thread);
    if (status != OK)
        return status;
    arch_thread_set_pointer(thread, args->thread_pointer);
    sched_set_ceiling(thread, current->ceiling);
    (void)sched_set_priority(thread, MIN(current->own_priority, current->ceiling));
    status = process_add_thread(process, thread);
    if (status == OK)
        return syscall_install(&thread->object, &ret->thread);
    thread_put(thread);
    return status;
}

/* ---- Control ---- */

static enum status start(struct thread *thread, uint64_t value)
{
    (void)value;
    return thread_start(thread);
}

static enum status stop(struct thread *thread, uint64_t value)
{
    (void)value;
    thread_kill(thread);
    if (thread == cpu_self()->current || thread_is_dead(thread))
        return OK;
    return SYSCALL_RESTART;
}

/* Whoever suspends itself has done so when it leaves the kernel. */
static enum status suspend(struct thread *thread, uint64_t value)
{
    (void)value;
    enum status status = thread_suspend(thread);
    return thread == cpu_self()->current ? OK : syscall_sliced(status);
}

static enum status resume(struct thread *thread, uint64_t value)
{
    (void)value;
    return thread_resume(thread);
}

/* Nobody gives a thread more than it may have itself. */
static enum status set_priority(struct thread *thread, uint64_t value)
{
    if (value >= PRIORITY_COUNT)
        return ERR_RANGE;
    if (value > cpu_self()->current->ceiling)
        return ERR_ACCESS;
    return sched_set_priority(thread, (unsigned)value);
}

static enum status set_ceiling(struct thread *thread, uint64_t value)
{
    if (value >= PRIORITY_COUNT)
        return ERR_RANGE;
    if (value > cpu_self()->current->ceiling)
        return ERR_ACCESS;
    sched_set_ceiling(thread, (unsigned)value);
    return OK;
}

/* The first 64 CPUs by name; a mask with all bits means every CPU that there is. */
static enum status set_affinity(struct thread *thread, uint64_t value)
{
    struct cpu_mask mask = { .word = { value } };
    if (value == UINT64_MAX)
        mask = cpu_mask_all();
    return sched_set_affinity(thread, &mask);
}

static const struct operation {
    enum status (*apply)(struct thread *thread, uint64_t value);
    uint32_t right;
} operations[] = {
    [THREAD_OP_START] = { start, RIGHT_THREAD_START },
    [THREAD_OP_STOP] = { stop, RIGHT_THREAD_STOP },
    [THREAD_OP_SUSPEND] = { suspend, RIGHT_THREAD_SUSPEND },
    [THREAD_OP_RESUME] = { resume, RIGHT_THREAD_RESUME },
    [THREAD_OP_PRIORITY] = { set_priority, RIGHT_THREAD_SCHEDULE },
    [THREAD_OP_CEILING] = { set_ceiling, RIGHT_THREAD_SCHEDULE },
    [THREAD_OP_AFFINITY] = { set_affinity, RIGHT_THREAD_SCHEDULE },
};

enum status sys_thread_control(const struct sys_thread_control_args *args)
{
    const struct operation *operation = &operations[args->op];
    struct object *object;
    enum status status = syscall_lookup(args->thread, OBJECT_THREAD, operation->right, &object);

    if (status != OK)
        return status;
    return operation->apply(object_as_thread(object), args->value);
}

enum status sys_thread_registers(const struct sys_thread_registers_args *args)
{
    struct guest_registers registers;
    struct thread *thread = object_as_thread(args->thread);
    bool write = args->op == REGISTERS_OP_WRITE;
    enum status status = OK;

    if (args->size_bytes != sizeof(registers))
        return ERR_RANGE;
    if (write)
        status = copy_from_user(&registers, args->registers, sizeof(registers));
    if (status == OK)
        status = thread_registers(thread, &registers, write);
    if (status == OK && !write)
        status = copy_to_user(args->registers, &registers, sizeof(registers));
    return syscall_sliced(status);
}

/* ---- Words of memory ---- */

enum status sys_address_wait(const struct sys_address_wait_args *args)
{
    const struct vspace *space = object_as_process(args->process)->vspace;

    if ((args->address.raw & 3) != 0)
        return ERR_RANGE;
    if (space != cpu_self()->current->vspace)
        return ERR_INVALID;
    return address_wait_current(space, args->address.raw, args->expected, args->deadline_ns);
}

enum status sys_address_wake(const struct sys_address_wake_args *args,
                             struct sys_address_wake_ret *ret)
{
    const struct vspace *space = object_as_process(args->process)->vspace;
    uint32_t wanted = (uint32_t)args->count;
    uint64_t before = args->count >> 32;

    if ((args->address.raw & 3) != 0)
        return ERR_RANGE;
    uint32_t woken = address_wake(space, args->address.raw, MIN(wanted, (uint32_t)WORK_SLICE));
    ret->woken = before + woken;
    if (woken < WORK_SLICE || woken == wanted)
        return OK;
    /* The rest in another slice; what was done so far travels in the upper half. */
    arch_frame_syscall_set_argument(&cpu_self()->current->frame, 2,
                                    (before + woken) << 32 | (wanted - woken));
    return SYSCALL_RESTART;
}
