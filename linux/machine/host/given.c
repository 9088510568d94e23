/* A test gives nothing, unless it says what: one word stands for every notification. */
#include <linux/abi/errno.h>
#include <linux/machine.h>

static uint32_t signalled;

uint64_t machine_given(const char *name)
{
    (void)name;
    return 0;
}

int machine_given_memory(const char *name, uint64_t size_bytes, struct memory **memory_out)
{
    (void)name;
    (void)size_bytes;
    (void)memory_out;
    return -ENOENT;
}

void machine_signal(uint64_t notification, uint64_t bits)
{
    (void)notification;
    (void)__atomic_fetch_or(&signalled, (uint32_t)bits, __ATOMIC_SEQ_CST);
    machine_wake(&signalled, UINT32_MAX);
}

uint64_t machine_wait_signal(uint64_t notification, uint64_t deadline_ns)
{
    (void)notification;
    machine_wait(&signalled, 0, deadline_ns);
    return __atomic_exchange_n(&signalled, 0, __ATOMIC_SEQ_CST);
}
