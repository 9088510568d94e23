/* ACPI tables from a fuzzer (kernel/acpi_fuzz.h). */
#include "firmware.h"

#include <kernel/acpi_fuzz.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct platform_info info = { .uart = UART_NONE };
    struct acpi_fuzz_memory memory;
    if (!acpi_fuzz_memory_init(&memory, data, size))
        return 0;
    (void)x86_acpi_parse(paddr(ACPI_FUZZ_BASE), acpi_fuzz_map, &memory, &info);
    if (info.ioapic_count > PLATFORM_IOAPIC_MAX || info.override_count > PLATFORM_OVERRIDE_MAX)
        abort();
    free(memory.bytes);
    return 0;
}
