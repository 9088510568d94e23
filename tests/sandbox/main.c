/* The sandbox of the kernel's tests: does what its command block says (abi/test_sandbox.h). */
#include "fuzz.h"
#include <base/compiler.h>
#include <rt/guest.h>
#include <rt/syscall.h>
#include <stdbool.h>
#include <test_sandbox.h>

void main(struct test_guest_command *command);

/* tests/sandbox/arch: guest_enter with what every register held afterwards, ORed together. */
uint64_t sandbox_enter_and_look(uint64_t guest);
/* Enter that many times. */
void sandbox_turns(uint64_t guest, uint64_t times);

static void enter(struct test_guest_command *command)
{
    for (uint64_t i = 0; command->in[1] == 0 || i < command->in[1]; i++) {
        if (command->in[1] == 0 && READ_ONCE(command->stop) != 0)
            break;
        uint64_t reason = 0;
        command->out[0] =
            (uint64_t)guest_enter(command->in[0], command->in[2], command->in[3], &reason);
        command->out[1] = reason;
        WRITE_ONCE(command->count, command->count + 1);
    }
}

static void copy(struct test_guest_command *command)
{
    void *mine = (void *)(uintptr_t)command->in[2];
    uint64_t reason;

    if (command->in[3] != 0 && guest_enter(command->in[3], 0, 0, &reason) != OK)
        return;
    command->out[0] = command->function == SANDBOX_COPY_IN
                          ? guest_copy_in(mine, command->in[0], command->in[1])
                          : guest_copy_out(command->in[0], mine, command->in[1]);
}

static struct guest_state *state_of(const struct test_guest_command *command)
{
    uint64_t index = ((uint64_t)(uintptr_t)command - TEST_SANDBOX_SHARED_AT) / sizeof(*command);

    return (struct guest_state *)(uintptr_t)(TEST_SANDBOX_STATE_AT + index * 4096);
}

void main(struct test_guest_command *command)
{
    guest_state_init(state_of(command));
    WRITE_ONCE(command->started, 1);
    switch (command->function) {
    case SANDBOX_REGISTERS:
        command->out[0] = sandbox_enter_and_look(command->in[0]);
        break;
    case SANDBOX_TURNS:
        sandbox_turns(command->in[0], command->in[1]);
        break;
    case SANDBOX_COPY_IN:
    case SANDBOX_COPY_OUT:
        copy(command);
        break;
    case SANDBOX_LOAD:
        command->out[0] = *(volatile uint64_t *)(uintptr_t)command->in[0];
        break;
    case SANDBOX_FUZZ:
        fuzz_run(command, state_of(command));
        break;
    case SANDBOX_SYSCALL: {
        uint64_t value = 0;
        command->out[0] = (uint64_t)syscall_raw(command->in[0], &command->in[1], &value);
        command->out[1] = value;
        break;
    }
    default:
        enter(command);
        break;
    }
    WRITE_ONCE(command->finished, 1);
}
