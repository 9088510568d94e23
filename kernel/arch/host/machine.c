/* The machine that the host architecture simulates: RAM is an anonymous mapping that serves as
 * direct map, with holes that a real machine would have; a few CPUs, of which the process plays one
 * at a time; a clock that moves only when told. It is set up before main, so any test may use it.
 */
#include <arch/cpu.h>
#include <arch/simulation.h>
#include <kernel/boot_info.h>
#include <kernel/cpu.h>
#include <kernel/frame.h>
#include <kernel/panic.h>
#include <kernel/thread.h>
#include <sys/mman.h>

/* Unlike 0, a first address that does not lie at the beginning finds sums that forget it. */
#define RAM_BASE  UINT64_C(0x40000000)
#define RAM_BYTES UINT64_C(0x10000000)
#define RAM_ALIGN UINT64_C(0x40000000)

struct cpu *host_cpu;
struct boot_info boot_info;
uint64_t direct_map_offset;
const char arch_name[] = "host";

static const struct boot_region ram_map[] = {
    { RAM_BASE, 0x9f000, BOOT_REGION_USABLE },
    { RAM_BASE + 0x100000, 0x300000, BOOT_REGION_USABLE },
    { RAM_BASE + 0x400000, 0x100000, BOOT_REGION_LOADER },
    { RAM_BASE + 0x500000, 0x100000, BOOT_REGION_IMAGE },
    { RAM_BASE + 0x600000, 0x3a00000, BOOT_REGION_USABLE },
    { RAM_BASE + 0x4000000, 0x1000, BOOT_REGION_FIRMWARE },
    { RAM_BASE + 0xa001000, 0x5fff000, BOOT_REGION_USABLE },
};

/* Aligned like a real direct map, so that an address and its physical address agree in their low
 * bits. */
static void map_ram(void)
{
    char *memory = mmap(NULL, RAM_BYTES + RAM_ALIGN, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        panic("no memory for the simulated machine");
    direct_map_offset = ALIGN_UP((uint64_t)(uintptr_t)memory, RAM_ALIGN) - RAM_BASE;
}

static void fill_boot_info(void)
{
    for (size_t i = 0; i < ARRAY_LEN(ram_map); i++)
        boot_info.region[i] = ram_map[i];
    boot_info.region_count = ARRAY_LEN(ram_map);
    boot_info.cpu_count = SIMULATION_CPU_COUNT;
    boot_info.image_base = paddr(RAM_BASE + 0x500000);
    boot_info.boot_time_s = 1;
    boot_info.firmware = "none";
}

__attribute__((constructor)) static void machine_init(void)
{
    arch_cpu_set_self(cpu_init(0, 0));
    map_ram();
    fill_boot_info();
    if (frame_init(&boot_info) != OK)
        panic("the simulated memory map is refused");
    thread_init();
    for (uint32_t i = 1; i < SIMULATION_CPU_COUNT; i++)
        cpu_init(i, i);
    for (uint32_t i = 0; i < SIMULATION_CPU_COUNT; i++) {
        cpu_get(i)->online = 1;
        cpu_get(i)->arch.timer_ns = DEADLINE_NEVER;
    }
}

void arch_cpu_set_self(struct cpu *cpu)
{
    host_cpu = cpu;
}
