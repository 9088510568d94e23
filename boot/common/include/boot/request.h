/* Finding the kernel's requests in its loaded image. */
#pragma once

#include <base/status.h>
#include <limine.h>
#include <stddef.h>

/* FEATURE(name): the request limine_NAME_request with the id LIMINE_NAME_REQUEST. */
#define REQUEST_FEATURES(FEATURE)                                                                  \
    FEATURE(bootloader_info, BOOTLOADER_INFO)                                                      \
    FEATURE(firmware_type, FIRMWARE_TYPE)                                                          \
    FEATURE(stack_size, STACK_SIZE)                                                                \
    FEATURE(hhdm, HHDM)                                                                            \
    FEATURE(framebuffer, FRAMEBUFFER)                                                              \
    FEATURE(paging_mode, PAGING_MODE)                                                              \
    FEATURE(smp, SMP)                                                                              \
    FEATURE(memmap, MEMMAP)                                                                        \
    FEATURE(entry_point, ENTRY_POINT)                                                              \
    FEATURE(kernel_file, KERNEL_FILE)                                                              \
    FEATURE(module, MODULE)                                                                        \
    FEATURE(rsdp, RSDP)                                                                            \
    FEATURE(smbios, SMBIOS)                                                                        \
    FEATURE(efi_system_table, EFI_SYSTEM_TABLE)                                                    \
    FEATURE(boot_time, BOOT_TIME)                                                                  \
    FEATURE(kernel_address, KERNEL_ADDRESS)                                                        \
    FEATURE(dtb, DTB)

/* Every request that was found, NULL for the others; all lie wholly inside the scanned bytes. */
struct request_set {
    uint64_t *base_revision; /* the tag's third word */
#define FEATURE(name, NAME) struct limine_##name##_request *name;
    REQUEST_FEATURES(FEATURE)
#undef FEATURE
};

/* `image` is 8-byte aligned. ERR_FORMAT with a text that continues "the kernel cannot be used:
 * ...". */
enum status request_scan(void *image, size_t size_bytes, struct request_set *set_out,
                         const char **problem_out);
