/* What a Linux thread does all its life: run the guest until it needs us, do what it asks for, look
 * after its signals, go back.
 */
#include <base/fmt.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/frame.h>
#include <linux/machine.h>
#include <linux/mm.h>
#include <linux/task.h>

#define UNKNOWN_TEXT_BYTES 160

/* How often each call that is not there was made. Numbers beyond the table share one counter. */
static uint64_t unknown[LINUX_CALL_COUNT + 1]; /* atomic */

/* Each is told once: a program may ask in a loop. */
static void note_unknown(uint64_t number)
{
    uint64_t *count = &unknown[MIN(number, (uint64_t)LINUX_CALL_COUNT)];
    if (__atomic_fetch_add(count, 1, __ATOMIC_RELAXED) == 0)
        machine_log("linux: call %llu is not there", (unsigned long long)number);
}

void task_tell_unknown(void)
{
    char text[UNKNOWN_TEXT_BYTES];
    size_t length = 0;
    for (size_t number = 0; number <= LINUX_CALL_COUNT; number++) {
        uint64_t count = __atomic_load_n(&unknown[number], __ATOMIC_RELAXED);
        if (count == 0)
            continue;
        size_t more = format_text(text + length, sizeof(text) - length, "%s%zu (%llu)",
                                  length == 0 ? "" : ", ", number, (unsigned long long)count);
        if (more >= sizeof(text) - length) { /* a line is enough */
            text[length] = 0;
            break;
        }
        length += more;
    }
    if (length > 0)
        machine_log("linux: calls that were not there, and how often: %s", text);
}

static int64_t call(struct task *task, const struct guest_registers *registers)
{
    uint64_t number = registers_call(registers, task->call_argument);
    task->call_number = (int64_t)number;
    if (LIKELY(number < LINUX_CALL_COUNT && linux_calls[number].run != NULL))
        return linux_calls[number].run(task->call_argument);
    note_unknown(number);
    return -ENOSYS;
}

/* What it came back for. */
void task_handle(struct task *task, int reason)
{
    struct guest_state *state = vcpu_state(task->vcpu);
    if (LIKELY(reason == GUEST_REASON_SYSCALL)) {
        registers_set_result(&state->registers, call(task, &state->registers));
    } else if (reason == GUEST_REASON_EXCEPTION) {
        const struct guest_fault fault = state->fault;
        signal_fault(task, &fault);
    } else if (reason != GUEST_REASON_KICK) {
        /* Its registers cannot be entered with: an instruction beyond its memory. */
        signal_force_kernel(task, SIGSEGV);
    }
    signal_deliver(task, reason == GUEST_REASON_SYSCALL);
}

_Noreturn void task_run(void *argument)
{
    struct task *task = argument;
    /* Whoever sent a signal before the thread ran could not make it come back. */
    signal_deliver(task, false);
    for (;;)
        task_handle(task, vcpu_enter(task->vcpu, task->mm->space));
}
