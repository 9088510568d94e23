/* ACPI tables (ACPI 6.5, section 5.2), no more than it takes to find the CPUs. Tables are
 * firmware's: every length and sum is checked, and bytes are reached only through `view`.
 */
#pragma once

#include <base/status.h>
#include <boot/arch.h>

/* Access to physical memory: NULL where there is none. */
struct acpi_memory {
    const void *(*view)(void *context, uint64_t physical, uint64_t size_bytes);
    void *context;
};

/* Find a table by its four letters. ERR_NOT_FOUND, or ERR_FORMAT if the RSDP or its list is
 * damaged; a damaged table in the list is passed over.
 */
enum status acpi_find(const struct acpi_memory *memory, uint64_t rsdp, const char *signature,
                      const void **table_out, size_t *size_bytes_out);

/* Add the enabled CPUs of a MADT to the list: local APICs, x2APICs, GIC CPU interfaces. */
void acpi_madt_cpus(const void *madt, size_t size_bytes, struct boot_cpu_list *list);

/* Copy the addresses of the I/O APICs in a MADT; returns how many, at most `max`. */
size_t acpi_madt_io_apics(const void *madt, size_t size_bytes, uint32_t *base_out, size_t max);

/* Add a CPU, unless it is there or the list is full. */
void boot_cpu_list_add(struct boot_cpu_list *list, uint64_t hardware_id, uint32_t acpi_uid);
