/* Native threads, each with a state page, and the guests that they run.
 *
 * A slot holds what a thread needs, in pages that are made when the slot is first used and kept.
 * The leaving thread clears `alive` in its last step, which uses no stack; then the slot is free.
 */
#include <base/compiler.h>
#include <base/list.h>
#include <base/string.h>
#include <clock_page.h>
#include <linux/abi/errno.h>
#include <object_info.h>
#include <rt/address.h>
#include <rt/clock.h>
#include <rt/guest.h>
#include <rt/lock.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <rt_arch/cpu.h>

#include "native_thread.h"

enum {
    SLOT_PAGES = 16, /* a guard, the stack, the state page, struct vcpu with the vector registers */
    SLOT_COUNT = 32768,
    STATE_PAGE = SLOT_PAGES - 3,
    VCPU_PAGE = SLOT_PAGES - 2,
};
#define SLOT_BYTES ((uint64_t)SLOT_PAGES * MACHINE_PAGE)

static uint64_t threads_memory; /* Memory of all slots */
/* A guest without memory: to be kicked in, and attached to where there is no other. Constant. */
static struct guest_space *no_space;

static struct rt_lock slots_lock;
static struct list free_slots; /* slots_lock: of vcpu.link, the longest free first */
static uint32_t slots_made;    /* slots_lock */

/* lib/rt/arch; it calls the other. */
void rt_thread_entry(void);
_Noreturn void rt_thread_begin(struct vcpu *vcpu);
int guest_word_load(const uint32_t *word, uint32_t *value_out);
int guest_word_exchange(uint32_t *word, uint32_t expected, uint32_t desired, uint32_t *old_out);

static uint64_t slot_offset(const struct vcpu *vcpu)
{
    return ALIGN_DOWN((uint64_t)(uintptr_t)vcpu - THREADS_AT, SLOT_BYTES);
}

static uint64_t state_offset(const struct vcpu *vcpu)
{
    return slot_offset(vcpu) + (uint64_t)STATE_PAGE * MACHINE_PAGE;
}

/* ---- Slots ---- */

static struct vcpu *slot_new(void)
{
    if (slots_made == SLOT_COUNT)
        return NULL;
    uint64_t offset = slots_made * SLOT_BYTES + MACHINE_PAGE;
    uint64_t size_bytes = SLOT_BYTES - MACHINE_PAGE;
    if (map(rt_process(), threads_memory, THREADS_AT + offset, offset, size_bytes,
            ACCESS_READ | ACCESS_WRITE) != OK)
        return NULL;
    if (!native_commit(threads_memory, offset, (void *)(uintptr_t)(THREADS_AT + offset),
                       size_bytes)) {
        (void)unmap(rt_process(), THREADS_AT + offset, size_bytes);
        return NULL;
    }
    uint64_t at = THREADS_AT + slots_made * SLOT_BYTES + (uint64_t)VCPU_PAGE * MACHINE_PAGE;
    slots_made++;
    return (struct vcpu *)(uintptr_t)at;
}

static struct vcpu *slot_free(void)
{
    LIST_FOR_EACH(link, &free_slots)
    {
        struct vcpu *vcpu = CONTAINER_OF(link, struct vcpu, link);
        if (__atomic_load_n(&vcpu->alive, __ATOMIC_ACQUIRE) == 0) {
            list_remove(link);
            return vcpu;
        }
    }
    return NULL;
}

static struct vcpu *slot_take(void)
{
    rt_lock(&slots_lock);
    struct vcpu *vcpu = slot_free();
    if (vcpu == NULL)
        vcpu = slot_new();
    rt_unlock(&slots_lock);
    return vcpu;
}

static void slot_give(struct vcpu *vcpu)
{
    rt_lock(&slots_lock);
    list_push_back(&free_slots, &vcpu->link);
    rt_unlock(&slots_lock);
}

static void vcpu_init(struct vcpu *vcpu)
{
    memset(vcpu, 0, sizeof(*vcpu));
    list_init(&vcpu->link);
    vcpu->head.state = (struct guest_state *)(uintptr_t)(THREADS_AT + state_offset(vcpu));
    vcpu->self = vcpu;
    vcpu->bind = true;
    memset(vcpu->head.state, 0, sizeof(*vcpu->head.state));
    guest_state_init(vcpu->head.state);
}

void native_threads_init(void)
{
    list_init(&free_slots);
    native_vector_init();
    if (memory_create(rt_budget(), SLOT_BYTES * SLOT_COUNT, 0, 0, 0, &threads_memory) != OK)
        machine_panic("no memory for threads");
}

/* Before it has a state page nothing may fault, so its slot is made by hand: what the budget cannot
 * pay for now ends the container before it began. */
void native_first_thread(void)
{
    if (map(rt_process(), threads_memory, THREADS_AT, 0, SLOT_BYTES, ACCESS_READ | ACCESS_WRITE) !=
        OK)
        machine_panic("no memory for the first thread");
    slots_made = 1;
    struct vcpu *vcpu = (struct vcpu *)(uintptr_t)(THREADS_AT + (uint64_t)VCPU_PAGE * MACHINE_PAGE);
    vcpu_init(vcpu);
    rt_cpu_set_thread_pointer((uint64_t)(uintptr_t)vcpu);
    static struct guest_space first;
    if (guest_create(rt_process(), rt_budget(), 0, 0, 0, 0, &first.handle) != OK)
        machine_panic("no guest can be made");
    no_space = &first;
    /* There is nothing at address 0, so it comes back; from now on the kernel knows the page. */
    if (vcpu_enter(vcpu, no_space) != GUEST_REASON_EXCEPTION)
        machine_panic("a guest cannot be entered");
}

/* ---- Threads ---- */

struct vcpu *vcpu_self(void)
{
    return native_cpu_self();
}

struct guest_state *vcpu_state(struct vcpu *vcpu)
{
    return vcpu->head.state;
}

int vcpu_create(void (*run)(void *argument), void *argument, struct vcpu *like,
                struct vcpu **vcpu_out)
{
    struct vcpu *vcpu = slot_take();
    if (vcpu == NULL)
        return -ENOMEM;
    vcpu_init(vcpu);
    vcpu->run = run;
    vcpu->argument = argument;
    vcpu->vector_set = like != NULL; /* else those of a new thread, as the kernel makes it */
    if (like != NULL)
        native_vector_save(vcpu->vector);
    uint64_t stack_top = THREADS_AT + state_offset(vcpu);
    enum status status =
        thread_create(rt_process(), rt_budget(), (uint64_t)(uintptr_t)rt_thread_entry, stack_top,
                      (uint64_t)(uintptr_t)vcpu, (uint64_t)(uintptr_t)vcpu, &vcpu->thread);
    if (status != OK) {
        slot_give(vcpu);
        return error_of(status);
    }
    *vcpu_out = vcpu;
    return 0;
}

void vcpu_start(struct vcpu *vcpu)
{
    vcpu->alive = 1;
    if (thread_control(vcpu->thread, THREAD_OP_START, 0) != OK)
        machine_panic("a thread cannot be started");
}

void vcpu_discard(struct vcpu *vcpu)
{
    (void)object_destroy(vcpu->thread);
    (void)handle_close(vcpu->thread);
    slot_give(vcpu);
}

_Noreturn void rt_thread_begin(struct vcpu *vcpu)
{
    if (vcpu->vector_set)
        native_vector_load(vcpu->vector);
    vcpu->run(vcpu->argument);
    vcpu_exit();
}

/* Detached from its guest by the thread's end. */
_Noreturn void vcpu_exit(void)
{
    struct vcpu *vcpu = vcpu_self();
    (void)handle_close(vcpu->thread);
    slot_give(vcpu);
    rt_cpu_leave(&vcpu->alive, rt_process(), SYSCALL_address_wake, SYSCALL_thread_exit);
}

/* ---- Guests ---- */

static int reason_of(enum status status, uint64_t reason)
{
    return status == OK ? (int)reason : error_of(status);
}

int vcpu_enter(struct vcpu *vcpu, struct guest_space *space)
{
    uint64_t reason = 0;
    vcpu->space = space;
    if (UNLIKELY(vcpu->bind)) {
        enum status status =
            guest_enter(space->handle, threads_memory, state_offset(vcpu), &reason);
        vcpu->bind = vcpu->bind && status != OK;
        return reason_of(status, reason);
    }
    enum status status = guest_enter(space->handle, 0, 0, &reason);
    return reason_of(status, reason);
}

void vcpu_kick(struct vcpu *vcpu)
{
    (void)guest_kick(no_space->handle, vcpu->thread);
}

/* Entering with a kick on the way comes back at once, attached. Somebody else's kick that was on
 * its way too must not get lost: who kicks has written down why, and the next entry looks. */
int vcpu_attach(struct vcpu *vcpu, struct guest_space *space)
{
    vcpu_kick(vcpu);
    int reason = vcpu_enter(vcpu, space == NULL ? no_space : space);
    return reason < 0 ? reason : 0;
}

size_t vcpu_vector_size(void)
{
    return native_vector_size();
}

void vcpu_vector_save(void *area)
{
    native_vector_save(area);
}

void vcpu_vector_load(void *area)
{
    native_vector_check(area);
    native_vector_load(area);
}

void vcpu_vector_reset(void)
{
    native_vector_initial(vcpu_self()->vector);
    native_vector_load(vcpu_self()->vector);
}

/* ---- Words of the guest's ---- */

int guest_load_32(uint64_t at, uint32_t *value_out)
{
    if (at >= GUEST_END || at % 4 != 0)
        return -EFAULT;
    return guest_word_load((const uint32_t *)(uintptr_t)at, value_out) == 0 ? 0 : -EFAULT;
}

int guest_compare_exchange_32(uint64_t at, uint32_t expected, uint32_t desired, uint32_t *old_out)
{
    if (at >= GUEST_END || at % 4 != 0)
        return -EFAULT;
    uint32_t *word = (uint32_t *)(uintptr_t)at;
    return guest_word_exchange(word, expected, desired, old_out) == 0 ? 0 : -EFAULT;
}

/* ---- Waiting and time ---- */

void machine_wait(uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
    (void)rt_address_wait(word, expected, deadline_ns);
}

void machine_wake(uint32_t *word, uint32_t count)
{
    rt_address_wake(word, count);
}

void machine_yield(void)
{
    thread_yield(0);
}

void machine_memory(uint64_t *total_bytes_out, uint64_t *free_bytes_out)
{
    struct object_info info;
    *total_bytes_out = *free_bytes_out = 0;
    if (object_info(native_guest_budget(), &info, sizeof(info)) != OK)
        return;
    uint64_t used = info.detail.budget.used[0];
    uint64_t limit = info.detail.budget.limit[0];
    *total_bytes_out = limit;
    *free_bytes_out = limit > used ? limit - used : 0;
}

unsigned machine_cpu_count(void)
{
    const struct clock_page *page = (const struct clock_page *)(uintptr_t)rt_startup()->clock_at;
    return page != NULL && page->cpu_count != 0 ? (unsigned)page->cpu_count : 1;
}

uint64_t machine_cpu_ns(struct vcpu *vcpu)
{
    struct object_info info;
    if (object_info(vcpu->thread, &info, sizeof(info)) != OK)
        return 0;
    return info.detail.thread.run_ns;
}

uint64_t machine_now_ns(void)
{
    return clock_now_ns();
}

uint64_t machine_time_of_day_ns(void)
{
    uint64_t now_ns;
    return clock_time_of_day_ns(&now_ns) == OK ? now_ns : clock_now_ns();
}

int64_t machine_realtime_offset_ns(void)
{
    uint64_t now_ns;
    if (clock_time_of_day_ns(&now_ns) != OK)
        return 0;
    return (int64_t)(now_ns - clock_now_ns());
}
