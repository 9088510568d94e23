/* What entry code asks of the portable kernel. */
#include <kernel/grace.h>
#include <kernel/guest.h>
#include <kernel/ipi.h>
#include <kernel/irq.h>
#include <kernel/log.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/trap.h>

enum { FAULT_LINES = 16 /* a second */ };
#define SECOND_NS ((uint64_t)1000 * 1000 * 1000)

/* Whoever may create threads can make them fault as fast as he likes, and a line on the console
 * takes long: a few a second are shown, the others counted.
 */
static bool may_tell(uint64_t *hidden_out)
{
    static uint64_t told;   /* [A] the second, and how many lines in it */
    static uint64_t hidden; /* [A] */
    uint64_t second = clock_now_ns() / SECOND_NS << 8;
    uint64_t before = __atomic_load_n(&told, __ATOMIC_RELAXED);
    uint64_t after;
    do {
        uint64_t count = before - second < 256 ? before - second : 0;
        if (count >= FAULT_LINES) {
            __atomic_fetch_add(&hidden, 1, __ATOMIC_RELAXED);
            return false;
        }
        after = second + count + 1;
    } while (!__atomic_compare_exchange_n(&told, &before, after, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    *hidden_out = __atomic_exchange_n(&hidden, 0, __ATOMIC_RELAXED);
    return true;
}

/* The thread did what it may not: it dies, nobody else. */
static void kill_for_fault(struct thread *current, const char *name, uint64_t address)
{
    uint64_t hidden;

    current->fault_name = name;
    current->fault_address = address;
    process_fault(current);
    thread_end_current(THREAD_END_FAULT);
    if (!may_tell(&hidden))
        return;
    if (hidden > 0)
        log_info("%llu threads more were killed by faults", (unsigned long long)hidden);
    log_info("thread %llu killed: %s at %#llx, ip %#llx", (unsigned long long)current->object.id,
             name, (unsigned long long)address, (unsigned long long)arch_frame_ip(&current->frame));
}

static const char *access_name(unsigned access)
{
    switch (access) {
    case PERM_WRITE:
        return "page fault (write)";
    case PERM_EXECUTE:
        return "page fault (execute)";
    default:
        return "page fault (read)";
    }
}

void trap_user_page_fault(struct thread *current, uint64_t address, unsigned access)
{
    /* What its CPU has loaded: a split guest's root has nothing beyond its end. */
    struct vspace *vspace = thread_space(current);
    enum status status = ERR_FAULT;
    if (LIKELY(!cpu_self()->inside || address < vspace->end))
        status = vspace_fault(vspace_of(vspace, address), uaddr(address), access);
    if (LIKELY(status == OK) || guest_exception(current, address, access, status))
        return;
    if (status == ERR_NO_MEMORY)
        kill_for_fault(current, "out of memory", address);
    else if (status == ERR_LIMIT || status == ERR_DEAD)
        kill_for_fault(current, "over the budget's limit", address);
    else
        kill_for_fault(current, access_name(access), address);
}

void trap_user_exception(struct thread *current, const char *name, uint64_t address)
{
    if (!guest_exception(current, address, 0, ERR_FAULT))
        kill_for_fault(current, name, address);
}

void trap_timer(void)
{
    struct cpu *cpu = cpu_self();
    cpu->interrupts++;
    grace_interrupt();
    cpu->timer_programmed_ns = DEADLINE_NEVER;
    uint64_t now_ns = clock_now_ns();
    timer_queue_run(cpu, now_ns);
    sched_tick(cpu, now_ns);
    timer_program(cpu);
}

void trap_ipi(void)
{
    cpu_self()->interrupts++;
    grace_interrupt();
    ipi_poll();
}

void trap_irq(unsigned line)
{
    cpu_self()->interrupts++;
    grace_interrupt();
    irq_dispatch(line);
}
