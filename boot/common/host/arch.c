/* See host.h. Page table entries are x86_64's; CPUs start by being told so. */

#include "host.h"

#include <base/string.h>
#include <boot/alloc.h>
#include <boot/elf.h>
#include <boot/smp.h>

#include <setjmp.h>

uint8_t host_memory[HOST_MEMORY_BYTES] ALIGNED(4096);
struct boot_cpu_list host_cpus;
uint64_t host_dead_cpu;

/* No bundle: it ends where it begins. */
const char direct_bundle[1];
extern const char direct_bundle_end[1] __attribute__((alias("direct_bundle")));

const uint16_t arch_elf_machine = ELF_MACHINE_X86_64;
const char arch_config_name[] = "x86-64";
const uint64_t arch_hhdm_base = 0xffff800000000000;
const uint64_t arch_physical_limit = UINT64_C(1) << 47;
const bool arch_root_shared = true;
const unsigned arch_hhdm_level = 1;

static struct host_run *current;
static jmp_buf current_end;

uint64_t arch_leaf(uint64_t physical, unsigned flags, unsigned level)
{
    return physical | 1 | ((flags & LEAF_WRITE) != 0 ? 2 : 0) |
           ((flags & LEAF_EXEC) != 0 ? 0 : BIT64(63)) | (level > 0 ? 0x80 : 0) |
           ((flags & LEAF_FRAMEBUFFER) != 0 ? 8 : 0);
}

uint64_t arch_table(uint64_t physical)
{
    return physical | 3;
}

unsigned arch_leaf_level_max(void)
{
    return 2;
}

void arch_cpus_find(const struct boot_platform *platform, struct boot_cpu_list *list_out)
{
    (void)platform;
    *list_out = host_cpus;
}

uint64_t arch_cpu_id(void)
{
    return host_cpus.count > 0 ? host_cpus.cpu[0].hardware_id : 0;
}

void arch_smp_info(struct limine_smp_info *info, const struct boot_cpu *cpu)
{
    info->processor_id = cpu->acpi_uid;
    info->lapic_id = (uint32_t)cpu->hardware_id;
}

void arch_smp_response(struct limine_smp_response *response, const struct handoff *handoff)
{
    response->flags = handoff->x2apic_wanted ? LIMINE_SMP_X2APIC : 0;
    response->bsp_lapic_id = (uint32_t)arch_cpu_id();
}

void arch_prepare(struct boot_platform *platform, struct handoff *handoff)
{
    if (boot_alloc(platform, BOOT_PAGE_SIZE, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
                   &handoff->page) != OK)
        boot_fail("not enough memory for the loader's own tables");
}

void arch_quiesce(const struct boot_platform *platform, struct handoff *handoff)
{
    (void)platform;
    (void)handoff;
}

bool arch_cpu_start(struct handoff *handoff, const struct handoff_cpu *cpu)
{
    (void)handoff;
    if (cpu->hardware_id == host_dead_cpu)
        return false;
    current->cpus_started++;
    return true;
}

void arch_sync_code(const void *memory, size_t size_bytes)
{
    (void)memory;
    (void)size_bytes;
}

void arch_enter(const struct handoff *handoff)
{
    current->handoff = *handoff;
    longjmp(current_end, HOST_ENTERED);
}

void arch_stop(void)
{
    longjmp(current_end, HOST_STOPPED);
}

void arch_exit_emulator(unsigned code)
{
    current->exit_code = code;
}

static void host_put(struct boot_platform *platform, char c)
{
    size_t length = strlen(current->console);
    (void)platform;
    if (length + 1 < sizeof(current->console))
        current->console[length] = c;
}

void host_try(struct boot_platform *platform, void (*call)(void *context), void *context,
              struct host_run *run_out)
{
    memset(run_out, 0, sizeof(*run_out));
    current = run_out;
    platform->put = host_put;
    boot_console_init(platform);
    int end = setjmp(current_end);
    if (end == 0)
        call(context);
    run_out->end = (enum host_end)end;
}

static void host_main(void *context)
{
    boot_main(context);
}

void host_boot(struct boot_platform *platform, struct host_run *run_out)
{
    boot_alloc_forget();
    host_try(platform, host_main, platform, run_out);
}
