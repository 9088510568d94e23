/* PVH: what the monitor tells, made into what the core wants. */

#include "pvh_info.h"
#include "start.h"

static struct pvh_info info;

static const void *identity_view(void *context, uint64_t physical, uint64_t size_bytes)
{
    const struct boot_platform *platform = context;
    if (physical == 0 || physical > platform->identity_limit ||
        size_bytes > platform->identity_limit - physical)
        return NULL;
    return (const void *)(uintptr_t)physical;
}

void pvh_read(struct direct *direct, uint32_t physical)
{
    struct boot_platform *platform = &direct->platform;

    enum status status = pvh_parse(identity_view, platform, physical, &info);
    if (status == ERR_UNSUPPORTED)
        boot_fail("the monitor's PVH start info has no memory map");
    if (status != OK)
        boot_fail("the monitor's PVH start info is malformed");

    platform->firmware_type = LIMINE_FIRMWARE_TYPE_X86BIOS;
    platform->rsdp = info.rsdp;
    direct_set_cmdline(direct, info.cmdline, info.cmdline_cut);
    for (size_t i = 0; i < info.map.count; i++)
        direct_add_range(direct, info.map.range[i].base, info.map.range[i].size_bytes,
                         info.map.range[i].type);
    for (size_t i = 0; i < info.module_count; i++)
        direct_add_part(direct, (const void *)(uintptr_t)info.module[i].base,
                        info.module[i].size_bytes, NULL);
}
