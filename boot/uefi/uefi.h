/* The UEFI front end of the loader: what its parts share.
 *
 *     efi_main -> uefi_..._init -> boot_main -> ... -> uefi_exit_firmware -> the kernel
 *
 * Invariant: once `exiting` is set, nothing of the firmware is called any more except GetMemoryMap
 * and ExitBootServices (UEFI 7.4.6); the console is then the serial port.
 */
#pragma once

#include "efi.h"
#include <boot/platform.h>

/* Sixteen times what QEMU's firmware needs. Static, because nothing may be allocated between the
 * last look at the map and the exit.
 */
enum { UEFI_MAP_BYTES = 96 * 1024 };

struct uefi {
    struct boot_platform platform; /* first: the core hands it back to us */
    struct efi_system_table *system;
    void *image;           /* our handle */
    struct efi_file *root; /* of the volume that we were loaded from */
    bool exiting;
    uint64_t map_size_bytes;
    uint64_t map_key;
    uint64_t descriptor_size_bytes;
    uint8_t map[UEFI_MAP_BYTES] ALIGNED(8);
};

static inline struct uefi *uefi_of(struct boot_platform *platform)
{
    return CONTAINER_OF(platform, struct uefi, platform);
}

/* The console works after this. */
void uefi_console_init(struct uefi *uefi);

/* Open the volume. ERR_NOT_FOUND if firmware offers no file system on the device that we come from.
 */
enum status uefi_volume_init(struct uefi *uefi);
/* Only the platform's call, for a volume that is open. */
void uefi_volume_calls(struct uefi *uefi);

/* ACPI, device tree, SMBIOS, the time and the framebuffer, each if it is there and sane. */
void uefi_facts_init(struct uefi *uefi);

void uefi_memory_init(struct uefi *uefi);

/* Seconds since 1970, UTC. ERR_RANGE if a field is not what a date may hold. */
enum status uefi_time_to_unix(const struct efi_time *time, int64_t *time_s_out);
