/* From the loader to the first user instruction.
 *
 * The order matters: nothing prints before arch_early_init, nothing allocates before frame_init,
 * nothing of the loader's is used after kmap_init but the boot information that was copied, and the
 * loader's memory is only given back when no CPU stands in it any more.
 */
#include <arch/context.h>
#include <arch/cpu.h>
#include <arch/platform.h>
#include <base/status.h>
#include <kernel/boot_info.h>
#include <kernel/bootstrap.h>
#include <kernel/cmdline.h>
#include <kernel/console.h>
#include <kernel/cpu.h>
#include <kernel/device.h>
#include <kernel/dma.h>
#include <kernel/frame.h>
#include <kernel/grace.h>
#include <kernel/irq_object.h>
#include <kernel/kmap.h>
#include <kernel/log.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <kernel/system.h>
#include <kernel/thread.h>
#include <kernel/version.h>
#ifdef CONFIG_TESTS
#include <kernel/crash.h>
#include <kernel/test.h>
#endif
#ifdef CONFIG_SHELL
#include <kernel/shell.h>
#endif

static void must(enum status status, const char *what)
{
    if (status != OK)
        panic("boot: %s: %s", what, status_text(status));
}

static void log_machine(void)
{
    struct frame_stats stats = frame_stats();
    log_info("ThemeliOS %s, %s, %s flavour", kernel_version, arch_name, kernel_flavour);
    log_info("boot: by %s (firmware: %s)", boot_info.loader, boot_info.firmware);
    log_info("memory: %llu MiB, %llu MiB free", (unsigned long long)(stats.total * PAGE_SIZE >> 20),
             (unsigned long long)(stats.free * PAGE_SIZE >> 20));
    log_info("cpu: %s", arch_cpu_features());
}

/* ---- CPUs ---- */

static void prepare_cpu(const struct boot_cpu *loader_cpu, uint32_t index)
{
    struct cpu *cpu = cpu_init(index, loader_cpu->hardware_id);
    if (cpu == NULL)
        panic("boot: no memory for CPU %u", index);
    must(kmap_stack_create(KERNEL_STACK_BYTES, &cpu->stack_top), "kernel stack");
}

void cpu_secondary_main(struct cpu *cpu)
{
    arch_cpu_init(cpu);
    __atomic_store_n(&cpu->online, 1, __ATOMIC_RELEASE);
    arch_enter_scheduler();
}

static bool wait_online(const struct cpu *cpu, uint64_t deadline_ns)
{
    while (__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE) == 0) {
        if (clock_now_ns() >= deadline_ns)
            return false;
        arch_relax();
    }
    return true;
}

/* Start all, then wait for all. True if none stayed behind in the loader's memory. */
static bool start_cpus(void)
{
    /* The table of CPUs is complete before the first of them looks at it without a lock. */
    for (uint32_t i = 1; i < boot_info.cpu_count; i++)
        prepare_cpu(&boot_info.cpu[i], i);
    for (uint32_t i = 1; i < cpu_count; i++) {
        if (!arch_cpu_release(&boot_info.cpu[i], cpu_get(i)))
            log_error("cpu %u: cannot be released", i);
    }

    bool all = boot_info.parked_count == 0;
    uint32_t online_count = 1;
    uint64_t deadline_ns = clock_now_ns() + CPU_START_TIMEOUT_NS;
    for (uint32_t i = 1; i < cpu_count; i++) {
        if (wait_online(cpu_get(i), deadline_ns)) {
            online_count++;
        } else {
            log_error("cpu %u: did not start", i);
            all = false;
        }
    }
    log_info("cpus: %u of %zu online", online_count, boot_info.cpu_count + boot_info.parked_count);
    return all;
}

/* ---- What to do once the machine runs ---- */

/* Tests, benchmarks and deliberate crashes take the place of the first program. */
static void start_system(void)
{
    cmdline_report_unknown();
#ifdef CONFIG_SHELL
    shell_start();
#endif
#ifdef CONFIG_TESTS
    if (cmdline_has("crash"))
        crash_run();
    if (test_start())
        return;
#endif
    grace_enable(true);
    must(bootstrap_start(&boot_info), "first program");
}

static struct cpu *init_boot_cpu(void)
{
    struct cpu *cpu = cpu_init(0, 0);
    arch_cpu_set_self(cpu);
    return cpu;
}

void kernel_main(void)
{
    struct cpu *cpu = init_boot_cpu();
    const char *problem;
    enum status status = boot_info_init(&problem);
    arch_early_init(&boot_info);
    if (status != OK)
        panic("boot: %s", problem);
    cpu->hardware_id = boot_info.cpu[0].hardware_id;
    console_printf("Hello from ThemeliOS\n");
    log_configure();

    must(frame_init(&boot_info), "memory map");
    must(kmap_init(&boot_info), "kernel address space");
    arch_platform_init(&boot_info);
    arch_init(&boot_info);
    arch_cpu_init(cpu);
    must(kmap_stack_create(KERNEL_STACK_BYTES, &cpu->stack_top), "kernel stack");
    thread_init();
    __atomic_store_n(&cpu->online, 1, __ATOMIC_RELEASE);
    log_machine();

    system_init();
    device_init(&boot_info);
    dma_init();
    irq_object_init();
    if (start_cpus())
        log_info("memory: %llu KiB of the loader's given back",
                 (unsigned long long)(frame_reclaim_bootloader(&boot_info) * PAGE_SIZE >> 10));
    start_system();
    arch_enter_scheduler();
}
