/* The user program of the kernel's tests: does what its command block says (abi/test_guest.h). */
#include <base/compiler.h>
#include <rt/ipc.h>
#include <stdbool.h>
#include <test_guest.h>

void main(struct test_guest_command *command);

/* tests/guest/arch: fill every register from `seed`, spin a while or make a system call, compare.
 * Returns how many differ.
 */
uint64_t guest_check_registers(uint64_t seed);
uint64_t guest_check_vector(uint64_t seed, uint64_t spins);
/* All vector registers, ORed into a word. */
uint64_t guest_read_vector(void);
void guest_fault(uint64_t kind);
void guest_calls(uint64_t number, uint64_t times);
/* IPC call `number` again and again, without touching the registers of the message in between. */
uint64_t guest_ipc_loop(uint64_t number, uint64_t endpoint, uint64_t reply, uint64_t info,
                        uint64_t times);

static void step(struct test_guest_command *command)
{
    WRITE_ONCE(command->count, command->count + 1);
}

static bool stopped(const struct test_guest_command *command)
{
    return READ_ONCE(command->stop) != 0;
}

static volatile uint64_t *word_at(uint64_t address)
{
    return (volatile uint64_t *)(uintptr_t)address;
}

static void run_syscall(struct test_guest_command *command)
{
    uint64_t value = 0;
    enum status status = syscall_raw(command->in[0], &command->in[1], &value);
    command->out[0] = (uint64_t)status;
    command->out[1] = value;
}

static bool run_step(const struct test_guest_step *step, uint64_t *value)
{
    uint64_t word[6];
    for (unsigned i = 0; i < 6; i++)
        word[i] = (step->takes >> i & 1) != 0 ? *value : step->word[i];
    return syscall_raw(step->number, word, value) == OK;
}

static void run_script(struct test_guest_command *command)
{
    const struct test_guest_step *steps = (const struct test_guest_step *)(uintptr_t)command->in[0];
    uint64_t value = 0;
    for (uint64_t turn = 0; turn < command->in[2]; turn++) {
        for (uint64_t i = 0; i < command->in[1]; i++) {
            if (!run_step(&steps[i], &value)) {
                command->out[0]++;
                command->out[1] = i;
            }
        }
        step(command);
    }
}

static void run_sleep(struct test_guest_command *command)
{
    for (uint64_t i = 0; i < command->in[0]; i++) {
        thread_yield(command->in[1] + i * command->in[2]);
        step(command);
    }
}

static void run_yield(struct test_guest_command *command)
{
    for (uint64_t i = 0; !stopped(command) && (command->in[0] == 0 || i < command->in[0]); i++) {
        thread_yield(0);
        step(command);
    }
}

static void run_touch(struct test_guest_command *command)
{
    for (uint64_t i = 0; i < command->in[1]; i++) {
        *word_at(command->in[0] + i * 4096) = i;
        step(command);
    }
}

/* ---- Messages ---- */

static bool answer_is_right(const struct ipc_message *message, uint64_t first, unsigned words)
{
    bool right = ipc_info_words(message->info) == words &&
                 ipc_info_label(message->info) == (uint32_t)first && message->badge == 0;
    for (unsigned i = 0; i < words; i++)
        right = right && message->word[i] == first + i + 1;
    return right;
}

static void run_client(struct test_guest_command *command)
{
    unsigned words = (unsigned)command->in[4];
    for (uint64_t i = 0; !stopped(command) && (command->in[5] == 0 || i < command->in[5]); i++) {
        struct ipc_message message = { .info = ipc_info((uint32_t)(i & 0xfff), words) };
        for (unsigned at = 0; at < words; at++)
            message.word[at] = (i & 0xfff) + at;
        command->out[0] = (uint64_t)ipc_call(command->in[1], &message, command->in[3]);
        if (command->out[0] != OK)
            command->out[2]++;
        else if (!answer_is_right(&message, i & 0xfff, words))
            command->out[1]++;
        step(command);
    }
}

static void run_server(struct test_guest_command *command)
{
    struct ipc_message message = { .info = 0 };
    enum status status = ipc_receive(command->in[1], command->in[2], &message, command->in[3]);
    while (status == OK && ipc_info_label(message.info) != GUEST_SERVER_STOP) {
        command->out[1] += message.badge;
        if ((message.info & IPC_INFO_SIGNAL) != 0)
            command->out[2] |= message.word[0];
        step(command);
        unsigned words = ipc_info_words(message.info);
        for (unsigned i = 0; i < words; i++)
            message.word[i]++;
        if (command->in[4] != 0)
            thread_yield(command->in[4]);
        message.info = ipc_info(ipc_info_label(message.info), words);
        status = ipc_reply_receive(command->in[1], command->in[2], &message, command->in[3]);
    }
    command->out[0] = (uint64_t)status;
}

static void run_waiter(struct test_guest_command *command)
{
    uint64_t bits = 0;
    while (!stopped(command)) {
        command->out[0] =
            (uint64_t)notification_wait(command->in[1], command->in[2], command->in[3], &bits);
        if (command->out[0] != OK)
            return;
        command->out[1] += bits;
        step(command);
    }
}

static bool run_message(struct test_guest_command *command)
{
    switch (command->function) {
    case GUEST_IPC:
        command->out[0] = (uint64_t)ipc_raw(command->in[0], command->in[1], command->in[2],
                                            command->in[3], &command->message);
        return true;
    case GUEST_IPC_LOOP:
        command->out[0] = guest_ipc_loop(command->in[0], command->in[1], command->in[2],
                                         command->message.info, command->in[4]);
        return true;
    case GUEST_CLIENT:
        run_client(command);
        return true;
    case GUEST_SERVER:
        run_server(command);
        return true;
    case GUEST_WAITER:
        run_waiter(command);
        return true;
    default:
        return false;
    }
}

static void run_turns(struct test_guest_command *command)
{
    uint32_t *word = (uint32_t *)(uintptr_t)command->in[1];
    uint64_t woken;

    for (uint64_t i = 0; i < command->in[3]; i++) {
        uint32_t seen = READ_ONCE(*word);
        while ((seen & 1) != command->in[2]) {
            command->out[0] =
                (uint64_t)address_wait(command->in[0], command->in[1], seen, UINT64_MAX);
            seen = READ_ONCE(*word);
        }
        __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
        command->out[1] = (uint64_t)address_wake(command->in[0], command->in[1], 1, &woken);
        step(command);
    }
}

static void run_loop(struct test_guest_command *command)
{
    while (!stopped(command)) {
        switch (command->function) {
        case GUEST_SYSCALL_LOOP:
            run_syscall(command);
            break;
        case GUEST_LOAD_LOOP:
            WRITE_ONCE(command->out[0], *word_at(command->in[0]));
            break;
        case GUEST_STORE_LOOP:
            *word_at(command->in[0]) = command->count;
            break;
        case GUEST_REGISTERS:
            command->out[0] += guest_check_registers(command->in[0] + command->count);
            break;
        case GUEST_VECTOR:
            command->out[0] += guest_check_vector(command->in[0] + command->count, command->in[1]);
            break;
        default:
            break; /* GUEST_SPIN */
        }
        step(command);
    }
}

void main(struct test_guest_command *command)
{
    WRITE_ONCE(command->started, 1);
    switch (command->function) {
    case GUEST_EXIT:
        break;
    case GUEST_YIELD:
        run_yield(command);
        break;
    case GUEST_SLEEP:
        run_sleep(command);
        break;
    case GUEST_SYSCALL:
        run_syscall(command);
        break;
    case GUEST_SCRIPT:
        run_script(command);
        break;
    case GUEST_CALLS:
        guest_calls(command->in[0], command->in[1]);
        break;
    case GUEST_LOAD:
        command->out[0] = *word_at(command->in[0]);
        break;
    case GUEST_STORE:
        *word_at(command->in[0]) = command->in[1];
        break;
    case GUEST_JUMP:
        ((void (*)(void))(uintptr_t)command->in[0])();
        break;
    case GUEST_TOUCH:
        run_touch(command);
        break;
    case GUEST_VECTOR_CLEAN:
        command->out[0] = guest_read_vector();
        break;
    case GUEST_TURNS:
        run_turns(command);
        break;
    case GUEST_FAULT:
        guest_fault(command->in[0]);
        command->out[0] = 1;
        break;
    default:
        if (!run_message(command))
            run_loop(command);
        break;
    }
    WRITE_ONCE(command->finished, 1);
}
