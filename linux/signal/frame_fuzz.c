/* Fuzzing what a program gives to sigreturn: any bytes are a frame at any place, and what comes of
 * them can be entered. Then a frame of ours goes to any stack, and comes back as it was.
 */
#include <base/compiler.h>
#include <linux/frame.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/task.h>
#include <linux/world.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

enum { STACK_BYTES = 0x8000 };
#define STACK_AT ((uint64_t)0x10000000)

struct input {
    uint64_t pointer, stack_base, stack_size, restorer, handler;
    uint32_t stack_flags, action_flags;
};

static void round_trip(struct task *task, const struct input *input)
{
    struct guest_registers *registers = &vcpu_state(task->vcpu)->registers;
    const struct signal_info info = { .number = 10 };
    const struct signal_action action = { .handler = input->handler,
                                          .flags = input->action_flags | SA_RESTORER,
                                          .restorer = input->restorer };
    struct guest_registers before;
    struct linux_stack stack;
    signal_set mask;
    world_set_stack(registers, STACK_AT + input->pointer % STACK_BYTES);
    task->stack_base = STACK_AT + input->stack_base % STACK_BYTES;
    task->stack_size = input->stack_size % STACK_BYTES;
    task->stack_flags = input->stack_flags;
    memcpy(&before, registers, sizeof(before));
    if (frame_push(task, &info, &action, 0x1234) != 0) {
        if (memcmp(&before, registers, sizeof(before)) != 0)
            __builtin_trap();
        return;
    }
    world_handler_returns(registers, registers_stack(registers));
    if (frame_pop(task, &mask, &stack) != 0 || mask != 0x1234 ||
        memcmp(&before, registers, sizeof(before)) != 0)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct input input;
    struct guest_space *space;
    struct memory *memory;
    signal_set mask;
    struct linux_stack stack;
    if (size_bytes < sizeof(input))
        return 0;
    memcpy(&input, data, sizeof(input));
    struct task *task = heap_alloc(sizeof(*task));
    void *area = heap_alloc(vcpu_vector_size() + VECTOR_AREA_MORE + 63);
    if (task == NULL || area == NULL || memory_allocate(STACK_BYTES, &memory) != 0 ||
        guest_space_create(&space) != 0 ||
        guest_space_map(space, STACK_AT, memory, 0, STACK_BYTES, MACHINE_READ | MACHINE_WRITE) != 0)
        __builtin_trap();
    task->vcpu = vcpu_self();
    task->vector_area = (void *)ALIGN_UP((uintptr_t)area, 64);
    struct guest_registers *registers = &vcpu_state(task->vcpu)->registers;
    memset(registers, 0, sizeof(*registers));
    (void)vcpu_attach(task->vcpu, space);
    uint64_t at = STACK_AT + input.pointer % STACK_BYTES;
    (void)guest_copy_out(at - 8, data + sizeof(input), size_bytes - sizeof(input));
    world_set_stack(registers, at);
    if (frame_pop(task, &mask, &stack) == 0) {
        if (world_pc(registers) >= GUEST_END)
            __builtin_trap();
        (void)signal_stack_set(task, &stack, at);
    }
    round_trip(task, &input);
    (void)vcpu_attach(task->vcpu, NULL);
    guest_space_destroy(space);
    memory_put(memory);
    heap_free(area);
    heap_free(task);
    return 0;
}
