/* The fixture behind the tests of guests (kernel/sandbox_fixture.h). */
#include <arch/guest_test.h>
#include <arch/mmu.h>
#include <base/string.h>
#include <kernel/coroutine.h>
#include <kernel/flat.h>
#include <kernel/memory.h>
#include <kernel/sandbox_fixture.h>
#include <kernel/sched.h>
#include <kernel/test.h>

extern const struct flat_header sandbox_image;

enum { STACK_BYTES = 16384 };

static uint64_t stack_top(unsigned index)
{
    return TEST_SANDBOX_STACK_AT + (uint64_t)0x100000 * index + STACK_BYTES;
}

/* One page, as the kernel sees it. */
static enum status make_page(struct memory **memory_out, void **bytes_out)
{
    paddr_t pa;
    enum status status = memory_create(NULL, PAGE_SIZE, memory_out);

    if (status == OK)
        status = memory_page_address(*memory_out, 0, true, &pa);
    if (status == OK)
        *bytes_out = paddr_to_kernel(pa);
    return status;
}

enum status sandbox_map(struct vspace *vspace, uint64_t at, struct memory *memory, unsigned perm)
{
    struct map_request request = {
        .memory = memory,
        .at = uaddr(at),
        .size_bytes = PAGE_SIZE,
        .perm = perm,
        .limit = perm,
        .flags = MAP_SHARED,
    };

    return vspace_map(vspace, &request);
}

static enum status map_thread(struct sandbox *sandbox, unsigned index)
{
    struct vspace *vspace = sandbox->f.vspace;
    void *bytes;
    enum status status = make_page(&sandbox->state_memory[index], &bytes);
    if (status != OK)
        return status;
    sandbox->state[index] = bytes;
    status = sandbox_map(vspace, TEST_SANDBOX_STATE_AT + index * PAGE_SIZE,
                         sandbox->state_memory[index], PERM_READ | PERM_WRITE);
    if (status == OK)
        status = vspace_reserve(vspace, uaddr(stack_top(index) - STACK_BYTES), STACK_BYTES,
                                PERM_READ | PERM_WRITE);
    return status;
}

static enum status map_sandbox(struct sandbox *sandbox)
{
    enum status status = flat_load(sandbox->f.vspace, &sandbox_image);
    if (status == OK)
        status = sandbox_map(sandbox->f.vspace, TEST_SANDBOX_SHARED_AT, sandbox->f.shared,
                             PERM_READ | PERM_WRITE);
    for (unsigned i = 0; status == OK && i < SANDBOX_THREADS; i++)
        status = map_thread(sandbox, i);
    if (status == OK)
        status = make_page(&sandbox->data_memory, &sandbox->data);
    return status;
}

static enum status map_guest(struct sandbox *sandbox, struct vspace *vspace)
{
    struct memory *code;
    void *bytes;
    enum status status = make_page(&code, &bytes);
    if (status != OK)
        return status;
    memcpy(bytes, guest_code_start, (size_t)(guest_code_end - guest_code_start));
    arch_sync_instructions(bytes, PAGE_SIZE);
    status = sandbox_map(vspace, GUEST_CODE_AT, code, PERM_READ | PERM_EXECUTE);
    memory_put(code);
    if (status == OK)
        status = sandbox_map(vspace, GUEST_DATA_AT, sandbox->data_memory, PERM_READ | PERM_WRITE);
    if (status == OK)
        status =
            vspace_reserve(vspace, uaddr(GUEST_LAZY_AT), 16 * PAGE_SIZE, PERM_READ | PERM_WRITE);
    return status;
}

bool sandbox_guest(struct sandbox *sandbox, unsigned flags, struct guest **guest_out,
                   uint64_t *handle_out)
{
    enum status status = guest_create(sandbox->f.vspace, sandbox->f.budget, flags, guest_out);
    if (status == OK)
        status = map_guest(sandbox, (*guest_out)->vspace);
    if (status == OK)
        status = cspace_create(&sandbox->f.process->cspace, &(*guest_out)->object,
                               object_type_rights(OBJECT_GUEST), handle_out);
    EXPECT_EQ(status, OK);
    return status == OK;
}

bool sandbox_init(struct sandbox *sandbox, unsigned flags)
{
    *sandbox = (struct sandbox){ .guest = NULL };
    if (!user_fixture_init(&sandbox->f))
        return false;
    EXPECT(guest_code_end - guest_code_start <= (long)PAGE_SIZE);
    if (map_sandbox(sandbox) == OK &&
        sandbox_guest(sandbox, flags, &sandbox->guest, &sandbox->handle))
        return true;
    test_fail(__FILE__, __LINE__, "no memory for the fixture");
    sandbox_destroy(sandbox);
    return false;
}

void sandbox_destroy(struct sandbox *sandbox)
{
    if (sandbox->guest != NULL)
        object_put(&sandbox->guest->object);
    user_fixture_destroy(&sandbox->f);
    for (unsigned i = 0; i < SANDBOX_THREADS; i++) {
        if (sandbox->state_memory[i] != NULL)
            memory_put(sandbox->state_memory[i]);
    }
    if (sandbox->data_memory != NULL)
        memory_put(sandbox->data_memory);
}

struct guest_registers *sandbox_registers(struct sandbox *sandbox, unsigned index,
                                          const char *snippet, uint64_t argument, uint64_t second)
{
    struct guest_registers *registers = &sandbox->state[index]->registers;

    *registers = (struct guest_registers){ 0 };
    GUEST_IP(registers) = GUEST_CODE_AT + (uint64_t)(snippet - guest_code_start);
    GUEST_SP(registers) = GUEST_STACK - index * PAGE_SIZE;
    GUEST_ARGUMENT(registers) = argument;
    GUEST_SECOND(registers) = second;
    return registers;
}

bool sandbox_prepare(struct sandbox *sandbox, unsigned index, enum test_sandbox_function function,
                     uint64_t in_0, uint64_t in_1, uint64_t in_2)
{
    struct user_fixture *f = &sandbox->f;
    if (f->thread[index] != NULL)
        thread_put(f->thread[index]);
    f->thread[index] = NULL;
    f->command[index] =
        (struct test_guest_command){ .function = function, .in = { in_0, in_1, in_2 } };
    uint64_t argument = TEST_SANDBOX_SHARED_AT + sizeof(struct test_guest_command) * index;
    enum status status = thread_create(f->vspace, NULL, uaddr(sandbox_image.entry),
                                       uaddr(stack_top(index)), argument, &f->thread[index]);
    if (status == OK)
        status = process_add_thread(f->process, f->thread[index]);
    EXPECT_EQ(status, OK);
    if (status != OK)
        return false;
    EXPECT_EQ(guest_bind(f->thread[index], sandbox->state_memory[index], 0), OK);
    return true;
}

bool sandbox_run(struct sandbox *sandbox, unsigned index, enum test_sandbox_function function,
                 uint64_t in_0, uint64_t in_1, uint64_t in_2)
{
    if (!sandbox_prepare(sandbox, index, function, in_0, in_1, in_2))
        return false;
    user_start(&sandbox->f, index);
    return user_wait_dead(&sandbox->f, index);
}

uint64_t sandbox_enter(struct sandbox *sandbox, const char *snippet, uint64_t argument,
                       uint64_t second)
{
    (void)sandbox_registers(sandbox, 0, snippet, argument, second);
    if (!sandbox_run(sandbox, 0, SANDBOX_ENTER, sandbox->handle, 1, 0))
        return 0;
    EXPECT_EQ(sandbox->f.command[0].finished, 1);
    if (sandbox->f.command[0].out[0] != OK)
        return 0;
    EXPECT_EQ(sandbox->state[0]->reason, sandbox->f.command[0].out[1]);
    return sandbox->f.command[0].out[1];
}
