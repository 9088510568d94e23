/* Guests and the threads that are in them.
 *
 * A thread attaches itself to a guest, at its first entry, and detaches itself: when it enters
 * another one, when it finds at the kernel exit that the guest is gone, when it is freed. Only
 * while it is on no CPU the guest that goes does it for it.
 */
#include <abi_syscalls.h>
#include <kernel/frame.h>
#include <kernel/guest.h>
#include <kernel/memory.h>
#include <kernel/sched.h>
#include <kernel/slab.h>

static struct slab_cache guest_cache = SLAB_CACHE_INIT("guest", struct guest);

/* ---- Which guest a thread is attached to ---- */

/* With the guest's lock held. */
static void unlink_thread(struct thread *thread)
{
    list_remove(&thread->guest.node);
    thread->guest.guest = NULL;
    thread->attached = false;
    thread->guest.vspace = NULL;
}

/* The guest may be doing the same for a thread that is dead; its storage outlives this CPU's stay
 * in the kernel. What it has asked of the thread is done by that, and no matter of the next guest.
 */
static void detach(struct thread *thread)
{
    struct guest *guest = thread->guest.guest;

    if (guest == NULL)
        return;
    spinlock_acquire(&guest->lock);
    bool attached = thread->guest.guest == guest;
    if (attached) {
        unlink_thread(thread);
        __atomic_fetch_and(&thread->guest_pending, (uint8_t)~GUEST_PENDING_LEAVE, __ATOMIC_RELAXED);
    }
    spinlock_release(&guest->lock);
    if (attached)
        object_put(&guest->object);
}

static enum status attach(struct thread *thread, struct guest *guest)
{
    if (guest->vspace->upper != thread->vspace)
        return ERR_INVALID;
    spinlock_acquire(&guest->lock);
    bool gone = guest->gone;
    if (!gone) {
        object_get(&guest->object);
        list_push_back(&guest->threads, &thread->guest.node);
        thread->guest.guest = guest;
        thread->attached = true;
        thread->guest.vspace = guest->vspace;
    }
    spinlock_release(&guest->lock);
    return gone ? ERR_DEAD : OK;
}

/* ---- Back to the sandbox ---- */

static void come_back(struct thread *current, enum status status, enum guest_reason reason)
{
    struct guest_state *state = current->guest.state;

    current->guest.inside = false;
    WRITE_ONCE(state->reason, reason);
    arch_guest_save(current, state, (uint64_t)status, reason);
}

/* The sandbox's own fault, in code that expects one. */
static bool recover(struct thread *current, uint64_t address)
{
    struct guest_state *state = current->guest.state;
    uint64_t ip = arch_frame_ip(&current->frame);

    if (ip < READ_ONCE(state->recover_start) || ip >= READ_ONCE(state->recover_end))
        return false;
    WRITE_ONCE(state->recover_address, address);
    arch_frame_set_ip(&current->frame, READ_ONCE(state->recover_at));
    return true;
}

bool guest_exception(struct thread *current, uint64_t address, unsigned access, enum status why)
{
    struct guest_state *state = current->guest.state;
    struct guest_fault fault = { .address = address, .access = access, .status = (uint64_t)why };

    if (state == NULL)
        return false;
    if (!current->guest.inside)
        return access != 0 && recover(current, address);
    arch_guest_describe(current, &fault);
    state->fault = fault;
    come_back(current, OK, GUEST_REASON_EXCEPTION);
    thread_load_space(cpu_self(), current);
    return true;
}

void guest_attend(struct thread *current)
{
    struct guest_thread *mine = &current->guest;
    unsigned pending = __atomic_load_n(&current->guest_pending, __ATOMIC_ACQUIRE);

    if ((pending & GUEST_PENDING_LEAVE) != 0) {
        __atomic_fetch_and(&current->guest_pending, (uint8_t)~GUEST_PENDING_LEAVE,
                           __ATOMIC_RELAXED);
        if (mine->inside)
            come_back(current, ERR_DEAD, GUEST_REASON_KICK);
        detach(current);
    } else if (mine->inside) {
        __atomic_fetch_and(&current->guest_pending, (uint8_t)~GUEST_PENDING_KICK, __ATOMIC_RELAXED);
        come_back(current, OK, GUEST_REASON_KICK);
    }
}

/* ---- Into the guest ---- */

/* Interrupts are masked from here to the exit: a kick that comes later interrupts the guest. */
static bool take_kick(struct thread *current)
{
    unsigned before =
        __atomic_fetch_and(&current->guest_pending, (uint8_t)~GUEST_PENDING_KICK, __ATOMIC_ACQ_REL);

    return (before & GUEST_PENDING_KICK) != 0;
}

static enum status change_guest(struct thread *current, struct guest *guest)
{
    detach(current);
    enum status status = attach(current, guest);
    thread_load_space(cpu_self(), current);
    return status;
}

enum status guest_go(struct thread *current, struct guest *guest)
{
    struct guest_thread *mine = &current->guest;

    if (UNLIKELY(mine->state == NULL))
        return ERR_STATE;
    if (UNLIKELY(mine->guest != guest)) {
        enum status status = change_guest(current, guest);
        if (status != OK)
            return status;
    }
    if (UNLIKELY(current->guest_pending != 0) && take_kick(current)) {
        WRITE_ONCE(mine->state->reason, GUEST_REASON_KICK);
        arch_frame_syscall_return(&current->frame, OK, GUEST_REASON_KICK);
        return OK;
    }
    enum status status = arch_guest_load(current, mine->state);
    if (UNLIKELY(status != OK))
        return status;
    guest_is_in(current);
    return OK;
}

static void unbind(struct thread *thread)
{
    struct memory *memory = thread->guest.memory;

    thread->guest.state = NULL;
    thread->guest.memory = NULL;
    if (memory == NULL)
        return;
    memory_unpin(memory);
    memory_put(memory);
}

/* Pinned, the page is nobody else's and stays where it is. */
static enum status pin_page(struct memory *memory, uint64_t offset, paddr_t *pa_out)
{
    enum status status = memory_pin(memory, offset >> PAGE_SHIFT, 1);
    if (status != OK)
        return status;
    status = memory_page_address(memory, offset >> PAGE_SHIFT, true, pa_out);
    if (status == OK && frame_of(*pa_out) == NULL)
        status = ERR_UNSUPPORTED;
    if (status != OK)
        memory_unpin(memory);
    return status;
}

/* `memory` is borrowed: another CPU may be closing its last capability. The thread refers to it
 * from here on, and has to end with the budget that paid for it.
 */
enum status guest_bind(struct thread *thread, struct memory *memory, uint64_t offset)
{
    paddr_t pa;

    if (!IS_ALIGNED(offset, (uint64_t)PAGE_SIZE))
        return ERR_RANGE;
    if (!budget_is_within(thread->object.payer, memory->object.payer))
        return ERR_INVALID;
    if (!object_try_get(&memory->object))
        return ERR_NOT_FOUND;
    enum status status = pin_page(memory, offset, &pa);
    if (status != OK) {
        memory_put(memory);
        return status;
    }
    unbind(thread);
    thread->guest.memory = memory;
    thread->guest.state = paddr_to_kernel(pa);
    return OK;
}

void guest_kick_thread(struct thread *thread)
{
    __atomic_fetch_or(&thread->guest_pending, GUEST_PENDING_KICK, __ATOMIC_SEQ_CST);
    (void)sched_off_cpu(thread, NULL);
}

void guest_thread_fini(struct thread *thread)
{
    detach(thread);
    unbind(thread);
}

/* ---- The object ---- */

/* Every thread is told to leave. One that is on no CPU has left by that, and finds out before it
 * runs again; the others do it themselves, soon. Returns how many have left.
 */
static unsigned expel_threads(struct guest *guest, struct work *work) REQUIRES(guest->lock)
{
    unsigned left = 0;

    LIST_FOR_EACH_SAFE(node, &guest->threads)
    {
        struct thread *thread = CONTAINER_OF(node, struct thread, guest.node);
        if (work->left == 0)
            break;
        work_spend(work);
        __atomic_fetch_or(&thread->guest_pending, GUEST_PENDING_LEAVE, __ATOMIC_SEQ_CST);
        left += sched_off_cpu(thread, unlink_thread) ? 1 : 0;
    }
    return left;
}

/* The caller's reference keeps the guest while those of the threads go. */
static enum status guest_retire(struct object *object, enum object_end why, struct work *work)
{
    struct guest *guest = object_as_guest(object);

    (void)why;
    spinlock_acquire(&guest->lock);
    guest->gone = true;
    unsigned left = expel_threads(guest, work);
    bool empty = list_empty(&guest->threads);
    spinlock_release(&guest->lock);
    while (left-- > 0)
        object_put(object);
    return empty ? vspace_close(guest->vspace, work) : ERR_WOULD_BLOCK;
}

static void guest_destroy(struct object *object)
{
    struct guest *guest = object_as_guest(object);

    if (guest->vspace != NULL)
        vspace_put(guest->vspace);
}

static const struct object_ops guest_ops = {
    .type = OBJECT_GUEST, .cache = &guest_cache, .retire = guest_retire, .destroy = guest_destroy
};

enum status guest_create(struct vspace *upper, struct budget *payer, unsigned flags,
                         struct guest **guest_out)
{
    struct guest *guest;

    if ((flags & ~(unsigned)GUEST_SPLIT) != 0)
        return ERR_RANGE;
    enum status status = object_alloc(&guest_ops, payer, &guest);
    if (status != OK)
        return status;
    spinlock_init(&guest->lock, RANK_GUEST);
    list_init(&guest->threads);
    status = vspace_create_guest(upper, payer, (flags & GUEST_SPLIT) != 0, &guest->vspace);
    if (status == OK)
        return object_publish(&guest->object, guest_out);
    object_discard(&guest->object);
    return status;
}

enum status guest_clone(struct guest *source, struct guest *target, struct budget *payer,
                        uint64_t *at, struct work *work)
{
    *at = MAX(*at, USER_START);
    return vspace_clone(source->vspace, target->vspace, payer, at, GUEST_END, work);
}
