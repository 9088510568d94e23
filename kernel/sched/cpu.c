/* The table of CPUs. */
#include <kernel/cpu.h>
#include <kernel/frame.h>
#include <kernel/panic.h>
#include <kernel/sched.h>

uint32_t cpu_count;

/* The boot CPU's structure exists before there is an allocator; the others come with cpu_init. */
static struct cpu boot_cpu_storage;
static struct cpu *cpus[CPU_MAX];

struct cpu *cpu_get(uint32_t index)
{
    DEBUG_ASSERT(index < cpu_count);
    return cpus[index];
}

struct cpu_mask cpu_mask_all(void)
{
    struct cpu_mask mask = { .word = { 0 } };
    for (uint32_t i = 0; i < cpu_count; i++)
        mask.word[i / 64] |= BIT64(i % 64);
    return mask;
}

/* Frames, not a slab: a CPU's structure is as large as its architecture's tables, and lives for
 * good. */
static struct cpu *cpu_storage(uint32_t index)
{
    if (index == 0)
        return &boot_cpu_storage;

    struct frame *frame;
    unsigned order = 0;
    while ((PAGE_SIZE << order) < sizeof(struct cpu))
        order++;
    return frame_alloc(order, FRAME_ZERO, &frame) == OK ? frame_kernel(frame) : NULL;
}

struct cpu *cpu_init(uint32_t index, uint64_t hardware_id)
{
    ASSERT(index == cpu_count && index < CPU_MAX);
    struct cpu *cpu = cpu_storage(index);
    if (cpu == NULL)
        return NULL;

    cpu->index = index;
    cpu->hardware_id = hardware_id;
    cpu->need_resched = 1;
    cpu->timer_programmed_ns = DEADLINE_NEVER;
    cpu->slice_end_ns = DEADLINE_NEVER;
    list_init(&cpu->frame_cache);
    list_init(&cpu->frame_zero);
    sched_init_cpu(cpu);
    cpus[index] = cpu;
    cpu_count = index + 1;
    return cpu;
}
