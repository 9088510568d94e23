/* ACPI tables from a fuzzer: the input is physical memory at 1 MiB, the root pointer first. A
 * fuzzer cannot guess sums, so the same bytes are also taken for a MADT alone.
 */
#include <boot/acpi.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_BASE = 0x100000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

struct input {
    const uint8_t *data;
    size_t size_bytes;
};

static const void *view(void *context, uint64_t physical, uint64_t size_bytes)
{
    const struct input *input = context;
    if (physical < MEMORY_BASE || physical - MEMORY_BASE > input->size_bytes ||
        size_bytes > input->size_bytes - (physical - MEMORY_BASE))
        return NULL;
    return input->data + (physical - MEMORY_BASE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct boot_cpu_list list;
    struct input input = { data, size_bytes };
    struct acpi_memory memory = { view, &input };
    const void *madt;
    size_t madt_bytes;

    list.count = 0;
    if (acpi_find(&memory, MEMORY_BASE, "APIC", &madt, &madt_bytes) == OK)
        acpi_madt_cpus(madt, madt_bytes, &list);
    acpi_madt_cpus(data, size_bytes, &list);
    uint32_t io_apic[4];
    (void)acpi_madt_io_apics(data, size_bytes, io_apic, 4);
    return 0;
}
