/* Cross calls.
 *
 * A CPU asks one thing at a time: it fills its own cross_call, then sets its bit in cross_from of
 * each target. A target takes the bits and serves each asker. The asker's release of the bit orders
 * its request before the target's look; the target's release of `pending` orders the work before
 * the return.
 */
#include <arch/irq.h>
#include <kernel/ipi.h>
#include <kernel/panic.h>

static void serve(struct cpu *asker)
{
    struct cross_call *call = &asker->cross_call;
    call->function(call->argument);
    __atomic_fetch_sub(&call->pending, 1, __ATOMIC_RELEASE);
}

void ipi_poll(void)
{
    struct cpu *self = cpu_self();
    for (uint32_t i = 0; i * 64 < cpu_count; i++) {
        uint64_t *word = &self->cross_from.word[i];
        if (LIKELY(__atomic_load_n(word, __ATOMIC_RELAXED) == 0))
            continue;
        uint64_t askers = __atomic_exchange_n(word, 0, __ATOMIC_ACQUIRE);
        for (; askers != 0; askers &= askers - 1) {
            serve(cpu_get(i * 64 + (uint32_t)__builtin_ctzll(askers)));
            self->cross_calls_served++;
        }
    }
}

static bool is_target(const struct cpu_mask *mask, const struct cpu *self, uint32_t index)
{
    return index != self->index && cpu_mask_test(mask, index) &&
           __atomic_load_n(&cpu_get(index)->online, __ATOMIC_ACQUIRE) != 0;
}

void ipi_call(const struct cpu_mask *mask, void (*function)(void *argument), void *argument)
{
    struct cpu *self = cpu_self();
    struct cross_call *call = &self->cross_call;
    struct cpu_mask targets = { .word = { 0 } };
    uint32_t target_count = 0;

    /* The mask may change under us: decide once whom to ask. */
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (is_target(mask, self, i)) {
            targets.word[i / 64] |= BIT64(i % 64);
            target_count++;
        }
    }
    if (target_count == 0)
        return;

    ASSERT(call->pending == 0); /* a cross call may not make one */
    call->function = function;
    call->argument = argument;
    call->pending = target_count;
    for (uint32_t i = 0; i < cpu_count; i++) {
        if ((targets.word[i / 64] & BIT64(i % 64)) != 0) {
            cpu_mask_set(&cpu_get(i)->cross_from, self->index);
            arch_ipi_send(cpu_get(i));
        }
    }
    while (__atomic_load_n(&call->pending, __ATOMIC_ACQUIRE) != 0) {
        ipi_poll();
        arch_relax();
    }
}

void ipi_reschedule(struct cpu *cpu)
{
    __atomic_store_n(&cpu->need_resched, 1, __ATOMIC_RELEASE);
    if (cpu != cpu_self())
        arch_ipi_send(cpu);
}
