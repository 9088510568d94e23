/* Calls whose result is known before they are made: ids. The kernel answers them from the state
 * page (abi/guest.h, guest_state.reply). A page is written by its own thread, or before that runs,
 * or, for the parent's id alone, by who changes it under `processes`.
 */
#include "proc_impl.h"
#include <linux/calls.h>
#include <linux/machine.h>

static void reply(struct guest_state *state, unsigned number, uint64_t value)
{
    __atomic_store_n(&state->reply[number], value, __ATOMIC_RELAXED);
    (void)__atomic_fetch_or(&state->reply_set[number / 64], BIT64(number % 64), __ATOMIC_RELEASE);
}

void task_set_replies(struct task *task)
{
    struct guest_state *state = vcpu_state(task->vcpu);
    const struct cred *cred = task->cred;
    static_assert((int)LINUX_CALL_gettid < (int)GUEST_REPLIES, "within the page");
    reply(state, LINUX_CALL_getpid, (uint64_t)task->process->pid);
    reply(state, LINUX_CALL_gettid, (uint64_t)task->tid);
    reply(state, LINUX_CALL_getuid, cred->uid);
    reply(state, LINUX_CALL_geteuid, cred->euid);
    reply(state, LINUX_CALL_getgid, cred->gid);
    reply(state, LINUX_CALL_getegid, cred->egid);
}

void task_set_parent_reply(struct task *task, const struct process *parent)
{
    reply(vcpu_state(task->vcpu), LINUX_CALL_getppid, parent == NULL ? 0 : (uint64_t)parent->pid);
}
