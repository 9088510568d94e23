#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/frame.h>
#include <linux/heap.h>
#include <linux/host.h>
#include <linux/machine.h>
#include <linux/mm.h>
#include <linux/single.h>
#include <linux/table.h>
#include <linux/world.h>
#include <sched.h>
#include <string.h>

#define CODE_AT    ((uint64_t)0x400000)
#define CODE_BYTES ((uint64_t)16)
#define HANDLERS   ((uint64_t)0x100000) /* above the code: the same functions, as handlers */
#define CALL_AT    ((uint64_t)0x300100)
#define RESTORER   ((uint64_t)0x300200)
enum { FUNCTION_MAX = 256, PROT_ALL = 3, MAP_OWN = 0x32, MAP_OURS = 0x31 };

static guest_function *functions[FUNCTION_MAX]; /* atomic */

uint64_t guest_code(guest_function *function)
{
    for (unsigned i = 0; i < FUNCTION_MAX; i++) {
        guest_function *there = NULL;
        if (__atomic_compare_exchange_n(&functions[i], &there, function, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST) ||
            there == function)
            return CODE_AT + i * CODE_BYTES;
    }
    machine_panic("too many functions");
}

/* NULL: nothing that can be executed. */
static guest_function *function_at(uint64_t pc)
{
    uint64_t index = (pc - CODE_AT) / CODE_BYTES;
    if (pc < CODE_AT || index >= FUNCTION_MAX)
        return NULL;
    return __atomic_load_n(&functions[index], __ATOMIC_SEQ_CST);
}

static struct guest_registers *own_registers(void)
{
    return &vcpu_state(task_self()->vcpu)->registers;
}

/* There is nothing to execute. */
static void run_nothing(uint64_t pc)
{
    struct guest_state *state = vcpu_state(task_self()->vcpu);
    state->fault = (struct guest_fault){ .address = pc, .access = 4 };
    task_handle(task_self(), GUEST_REASON_EXCEPTION);
}

static void run_handler(void)
{
    struct guest_registers *registers = own_registers();
    static const uint64_t none[6] = { 0 };
    uint64_t stack = registers_stack(registers);
    uint64_t arguments[3];
    guest_function *function = function_at(world_pc(registers) - HANDLERS);
    if (function == NULL) {
        run_nothing(world_pc(registers));
        return;
    }
    world_handler_arguments(registers, arguments);
    function(arguments[0], arguments[1], arguments[2]);
    world_set_call(registers, LINUX_CALL_rt_sigreturn, none);
    world_handler_returns(registers, stack);
    world_set_pc(registers, RESTORER);
    task_handle(task_self(), GUEST_REASON_SYSCALL);
}

/* Until the program is behind the call again. */
static int64_t settle(uint64_t at)
{
    struct guest_registers *registers = own_registers();
    for (;;) {
        if (world_pc(registers) == at)
            return registers_result(registers);
        if (world_pc(registers) == at - world_instruction_bytes()) {
            world_set_pc(registers, at);
            task_handle(task_self(), GUEST_REASON_SYSCALL);
        } else {
            run_handler();
        }
    }
}

static int64_t call_at(uint64_t at, unsigned number, const uint64_t arguments[6])
{
    struct guest_registers *registers = own_registers();
    world_set_call(registers, number, arguments);
    world_set_pc(registers, at);
    task_handle(task_self(), GUEST_REASON_SYSCALL);
    return settle(at);
}

int64_t guest_call(unsigned number, const uint64_t arguments[6])
{
    return call_at(CALL_AT, number, arguments);
}

void guest_poll(void)
{
    world_set_pc(own_registers(), CALL_AT);
    task_handle(task_self(), GUEST_REASON_KICK);
    (void)settle(CALL_AT);
    (void)sched_yield();
}

void guest_fault(uint64_t address, uint64_t access)
{
    struct guest_state *state = vcpu_state(task_self()->vcpu);
    world_set_pc(&state->registers, CALL_AT);
    state->fault = (struct guest_fault){ .address = address, .access = access };
    task_handle(task_self(), GUEST_REASON_EXCEPTION);
    (void)settle(CALL_AT);
}

int64_t guest_clone(uint64_t flags, uint64_t stack, guest_function *function, uint64_t a)
{
    world_set_kept(own_registers(), a);
    return call_at(guest_code(function), LINUX_CALL_clone, (const uint64_t[6]){ flags, stack });
}

int64_t guest_fork(guest_function *function, uint64_t a)
{
    return guest_clone(SIGCHLD, 0, function, a);
}

/* clone's last arguments change places between architectures; both ids go to the same word. */
int64_t guest_thread(guest_function *function, uint64_t a, unsigned stack, uaddr_t tid_at)
{
    const uint64_t flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                           CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    uint64_t top = GUEST_STACKS + (stack + 1) * GUEST_STACK_BYTES;
    world_set_kept(own_registers(), a);
    return call_at(guest_code(function), LINUX_CALL_clone,
                   (const uint64_t[6]){ flags, top, tid_at, tid_at, tid_at });
}

void guest_join(uaddr_t tid_at)
{
    uint32_t tid;
    while ((tid = guest_load_32_of(tid_at)) != 0)
        (void)CALL(futex, tid_at, 0, tid, 0);
}

void guest_handle(int number, guest_function *handler, uint64_t flags)
{
    const uaddr_t at = GUEST_STACKS - 64; /* below the stacks: nobody else's */
    uint64_t code =
        (uintptr_t)handler <= SIG_IGN ? (uintptr_t)handler : guest_code(handler) + HANDLERS;
    const uint64_t action[4] = { code, flags | SA_RESTORER, RESTORER, 0 };
    EXPECT_EQ(copy_out(at, action, sizeof(action)), 0);
    EXPECT_EQ(CALL(rt_sigaction, (uint64_t)number, at, 0, 8), 0);
}

void guest_store(uaddr_t at, uint64_t value)
{
    EXPECT_EQ(copy_out(at, &value, sizeof(value)), 0);
}

uint64_t guest_load(uaddr_t at)
{
    uint64_t value = 0;
    EXPECT_EQ(copy_in(&value, at, sizeof(value)), 0);
    return value;
}

void guest_store_32(uaddr_t at, uint32_t value)
{
    EXPECT_EQ(copy_out(at, &value, sizeof(value)), 0);
}

uint32_t guest_load_32_of(uaddr_t at)
{
    uint32_t value = 0;
    EXPECT_EQ(copy_in(&value, at, sizeof(value)), 0);
    return value;
}

int64_t guest_wait(int32_t pid)
{
    const uaddr_t at = GUEST_STACKS - 128;
    int64_t result = CALL(wait4, (uint64_t)pid, at, 0, 0);
    if (result < 0)
        return result;
    EXPECT_EQ(result, pid);
    return guest_load_32_of(at);
}

/* ---- the world ---- */

static int run_program(struct vcpu *vcpu, struct guest_state *state)
{
    (void)vcpu;
    guest_function *function;
    /* A signal may have come before the first instruction. */
    while ((function = function_at(world_pc(&state->registers))) == NULL)
        run_handler();
    function(world_kept(&state->registers), 0, 0);
    (void)CALL(exit_group, 0);
    machine_panic("a program went on after its end");
}

static void first_main(void *argument)
{
    struct task *task = argument;
    EXPECT_EQ(vcpu_attach(task->vcpu, task->mm->space), 0);
    task_run(task);
}

static void map(struct mm *mm, uaddr_t at, uint64_t size_bytes, uint32_t flags)
{
    const struct mm_request request = {
        .address = at, .size_bytes = size_bytes, .protection = PROT_ALL, .flags = flags
    };
    EXPECT_EQ(mm_map(mm, &request), (int64_t)at);
}

static void first_memory(struct task *task)
{
    EXPECT_EQ(mm_create(&task->mm), 0);
    map(task->mm, GUEST_DATA, GUEST_DATA_BYTES, MAP_OWN);
    map(task->mm, GUEST_SHARED, GUEST_DATA_BYTES, MAP_OURS);
    map(task->mm, GUEST_STACKS - MACHINE_PAGE, MACHINE_PAGE + GUEST_STACK_COUNT * GUEST_STACK_BYTES,
        MAP_OWN);
}

static void start_first(guest_function *first, uint64_t a)
{
    struct task *task = single_task_make(first_main);
    struct process *process = task->process;
    EXPECT_EQ(file_table_create(&task->files), 0);
    task->fs = heap_alloc(sizeof(*task->fs));
    task->fs->references = 1;
    first_memory(task);
    struct guest_registers *registers = &vcpu_state(task->vcpu)->registers;
    world_set_pc(registers, guest_code(first));
    world_set_kept(registers, a);
    world_set_stack(registers, GUEST_STACKS + GUEST_STACK_BYTES);
    EXPECT_EQ(process_publish(process, task, NULL), 0);
    EXPECT_EQ(process->pid, 1);
    process_put(process);
    vcpu_start(task->vcpu);
}

void world_run(guest_function *first, uint64_t a)
{
    struct heap_counts before = heap_counts();
    struct host_counts host = host_counts();
    host_set_program(run_program);
    start_first(first, a);
    while (!processes_ended())
        (void)sched_yield();
    host_wait_for_threads();
    EXPECT_EQ(heap_counts().blocks, before.blocks);
    EXPECT_EQ(host_counts().memories, host.memories);
    EXPECT_EQ(host_counts().spaces, host.spaces);
    EXPECT_EQ(host_counts().mappings, host.mappings);
}
