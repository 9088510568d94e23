/* The other CPUs: each gets a stack and a structure, is started, and waits until the kernel writes
 * an address into the structure. One that will never come is left out of the kernel's list.
 */

#include "boot_impl.h"

#include <boot/smp.h>

uint64_t boot_stack_create(struct boot *boot)
{
    void *stack;
    if (boot_alloc(boot->platform, boot->stack_bytes, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
                   &stack) != OK)
        boot_fail("not enough memory for the kernel's stack");
    uint64_t top = (uint64_t)(uintptr_t)boot_virtual(stack) + boot->stack_bytes;
    return ALIGN_DOWN(top, 16);
}

void boot_cpus_prepare(struct boot *boot)
{
    struct limine_smp_request *request = boot->request.smp;
    if (request == NULL)
        return;

    arch_cpus_find(boot->platform, &boot->cpus);
    size_t count = boot->cpus.count;
    boot->smp_infos = arena_take(&boot->arena, count * sizeof(*boot->smp_infos));
    boot->smp_pointers = arena_take(&boot->arena, count * sizeof(void *));
    boot->smp_response = arena_take(&boot->arena, sizeof(*boot->smp_response));
    boot->smp_stacks = arena_take(&boot->arena, count * sizeof(*boot->smp_stacks));
    for (size_t i = 0; i < count; i++) {
        arch_smp_info(&boot->smp_infos[i], &boot->cpus.cpu[i]);
        if (boot->cpus.cpu[i].hardware_id != arch_cpu_id())
            boot->smp_stacks[i] = boot_stack_create(boot);
    }
    boot->smp_response->cpus = boot_virtual(boot->smp_pointers);
    request->response = boot_virtual(boot->smp_response);
    boot->handoff.x2apic_wanted = (request->flags & LIMINE_SMP_X2APIC) != 0;
}

void boot_cpus_start(struct boot *boot)
{
    struct limine_smp_response *response = boot->smp_response;
    if (response == NULL)
        return;

    for (size_t i = 0; i < boot->cpus.count; i++) {
        struct limine_smp_info *info = &boot->smp_infos[i];
        struct handoff_cpu cpu = { info, boot->smp_stacks[i], boot->cpus.cpu[i].hardware_id };
        if (cpu.stack_top != 0 && !arch_cpu_start(&boot->handoff, &cpu))
            continue;
        boot->smp_pointers[response->cpu_count++] = boot_virtual(info);
    }
    arch_smp_response(response, &boot->handoff);
}
