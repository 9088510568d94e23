/* The Limine boot protocol, base revision 2, as far as ThemeliOS speaks it: the requests that a
 * kernel leaves in its image and the responses that a loader hangs on them. The names are those of
 * the protocol's specification (PROTOCOL.md of Limine 8.2), so that the two can be read side by
 * side.
 *
 * Layouts are fixed by the specification: natural alignment, 64-bit pointers, little endian.
 * Pointers in responses carry the direct map's offset, unless said otherwise. A kernel reads them
 * with the pointers as they are; a loader runs identity mapped and fills them with sums.
 */
#pragma once

#include <stdint.h>

#define LIMINE_BASE_REVISION_SUPPORTED 2

/* Base revision tag: two magic words, then the wanted revision. The loader clears the third word if
 * it complies, and leaves it if the revision is newer than the loader.
 */
#define LIMINE_BASE_REVISION_MAGIC_0 0xf9562b2d5c95a6c8
#define LIMINE_BASE_REVISION_MAGIC_1 0x6a7b384944536bdc
#define LIMINE_BASE_REVISION(revision)                                                             \
    {                                                                                              \
        LIMINE_BASE_REVISION_MAGIC_0, LIMINE_BASE_REVISION_MAGIC_1, (revision)                     \
    }

/* Requests stand between these two, 8-byte aligned; elsewhere nobody looks. */
#define LIMINE_REQUESTS_START_MARKER                                                               \
    {                                                                                              \
        0xf6b8f4b39de7d1ae, 0xfab91a6940fcb9cf, 0x785c6ed015d3e316, 0x181e920a7852b9d9             \
    }
#define LIMINE_REQUESTS_END_MARKER                                                                 \
    {                                                                                              \
        0xadc0e0531bb10d03, 0x9572709f31764c62                                                     \
    }

/* The first half of every request's id; the second half tells the requests apart. */
#define LIMINE_COMMON_MAGIC_0 0xc7b1dd30df4c8b88
#define LIMINE_COMMON_MAGIC_1 0x0a82e883a194f07b
#define LIMINE_ID(word_2, word_3)                                                                  \
    {                                                                                              \
        LIMINE_COMMON_MAGIC_0, LIMINE_COMMON_MAGIC_1, (word_2), (word_3)                           \
    }

#define LIMINE_BOOTLOADER_INFO_REQUEST  LIMINE_ID(0xf55038d8e2a1202f, 0x279426fcf5f59740)
#define LIMINE_FIRMWARE_TYPE_REQUEST    LIMINE_ID(0x8c2f75d90bef28a8, 0x7045a4688eac00c3)
#define LIMINE_STACK_SIZE_REQUEST       LIMINE_ID(0x224ef0460a8e8926, 0xe1cb0fc25f46ea3d)
#define LIMINE_HHDM_REQUEST             LIMINE_ID(0x48dcf1cb8ad2b852, 0x63984e959a98244b)
#define LIMINE_FRAMEBUFFER_REQUEST      LIMINE_ID(0x9d5827dcd881dd75, 0xa3148604f6fab11b)
#define LIMINE_PAGING_MODE_REQUEST      LIMINE_ID(0x95c1a0edab0944cb, 0xa4e5cb3842f7488a)
#define LIMINE_SMP_REQUEST              LIMINE_ID(0x95a67b819a1b857e, 0xa0b61b723b6a73e0)
#define LIMINE_MEMMAP_REQUEST           LIMINE_ID(0x67cf3d9d378a806f, 0xe304acdfc50c3c62)
#define LIMINE_ENTRY_POINT_REQUEST      LIMINE_ID(0x13d86c035a1cd3e1, 0x2b0caa89d8f3026a)
#define LIMINE_KERNEL_FILE_REQUEST      LIMINE_ID(0xad97e90e83f1ed67, 0x31eb5d1c5ff23b69)
#define LIMINE_MODULE_REQUEST           LIMINE_ID(0x3e7e279702be32af, 0xca1c4f3bd1280cee)
#define LIMINE_RSDP_REQUEST             LIMINE_ID(0xc5e77b6b397e7b43, 0x27637845accdcf3c)
#define LIMINE_SMBIOS_REQUEST           LIMINE_ID(0x9e9046f11e095391, 0xaa4a520fefbde5ee)
#define LIMINE_EFI_SYSTEM_TABLE_REQUEST LIMINE_ID(0x5ceba5163eaaf6d6, 0x0a6981610cf65fcc)
#define LIMINE_EFI_MEMMAP_REQUEST       LIMINE_ID(0x7df62a431d6872d5, 0xa4fcdfb3e57306c8)
#define LIMINE_BOOT_TIME_REQUEST        LIMINE_ID(0x502746e184c088aa, 0xfbc5ec83e6327893)
#define LIMINE_KERNEL_ADDRESS_REQUEST   LIMINE_ID(0x71ba76863cc55f63, 0xb2644a48c516a487)
#define LIMINE_DTB_REQUEST              LIMINE_ID(0xb40ddb48fb54bac7, 0x545081493f81ffb7)

/* What every request begins with, for a loader that has not looked at the id yet. */
struct limine_request {
    uint64_t id[4];
    uint64_t revision;
    void *response; /* left alone if the loader cannot answer */
};

/* Who loads. */
struct limine_bootloader_info_response {
    uint64_t revision;
    char *name;
    char *version;
};

struct limine_bootloader_info_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_bootloader_info_response *response;
};

/* What firmware the machine has. */
#define LIMINE_FIRMWARE_TYPE_X86BIOS 0
#define LIMINE_FIRMWARE_TYPE_UEFI32  1
#define LIMINE_FIRMWARE_TYPE_UEFI64  2

struct limine_firmware_type_response {
    uint64_t revision;
    uint64_t firmware_type;
};

struct limine_firmware_type_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_firmware_type_response *response;
};

/* How large the entry stacks of all CPUs shall be; at least 64 KiB in any case. */
struct limine_stack_size_response {
    uint64_t revision;
};

struct limine_stack_size_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_stack_size_response *response;
    uint64_t stack_size;
};

/* Where the direct map of physical memory begins. */
struct limine_hhdm_response {
    uint64_t revision;
    uint64_t offset;
};

struct limine_hhdm_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_hhdm_response *response;
};

/* Framebuffers. */
#define LIMINE_FRAMEBUFFER_RGB 1

struct limine_video_mode {
    uint64_t pitch; /* bytes from a line to the next */
    uint64_t width;
    uint64_t height;
    uint16_t bpp; /* bits in a pixel */
    uint8_t memory_model;
    uint8_t red_mask_size;
    uint8_t red_mask_shift;
    uint8_t green_mask_size;
    uint8_t green_mask_shift;
    uint8_t blue_mask_size;
    uint8_t blue_mask_shift;
};

struct limine_framebuffer {
    void *address;
    uint64_t width;
    uint64_t height;
    uint64_t pitch;
    uint16_t bpp;
    uint8_t memory_model;
    uint8_t red_mask_size;
    uint8_t red_mask_shift;
    uint8_t green_mask_size;
    uint8_t green_mask_shift;
    uint8_t blue_mask_size;
    uint8_t blue_mask_shift;
    uint8_t unused[7];
    uint64_t edid_size;
    void *edid;
    uint64_t mode_count; /* this and the next: response revision 1 */
    struct limine_video_mode **modes;
};

struct limine_framebuffer_response {
    uint64_t revision;
    uint64_t framebuffer_count;
    struct limine_framebuffer **framebuffers;
};

struct limine_framebuffer_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_framebuffer_response *response;
};

/* How many levels the page tables have. Both of our architectures use the same two numbers. */
#define LIMINE_PAGING_MODE_X86_64_4LVL  0
#define LIMINE_PAGING_MODE_X86_64_5LVL  1
#define LIMINE_PAGING_MODE_AARCH64_4LVL 0
#define LIMINE_PAGING_MODE_AARCH64_5LVL 1
#define LIMINE_PAGING_MODE_DEFAULT      0
#define LIMINE_PAGING_MODE_MIN          0

struct limine_paging_mode_response {
    uint64_t revision;
    uint64_t mode;
};

struct limine_paging_mode_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_paging_mode_response *response;
    uint64_t mode;
    uint64_t max_mode; /* this and the next: request revision 1 */
    uint64_t min_mode;
};

/* All processors. Except for the one that boots they spin in the loader's memory until goto_address
 * becomes something else than NULL, and then jump there with a stack of their own and the address
 * of their limine_smp_info in the first argument's register.
 */
#define LIMINE_SMP_X2APIC 1 /* in the request: use it if there; in the response: it is in use */

struct limine_smp_info;
typedef void (*limine_goto_address)(struct limine_smp_info *);

#if defined(__aarch64__)

#define LIMINE_SMP_HARDWARE_ID(info)     ((info)->mpidr)
#define LIMINE_SMP_BOOT_CPU_ID(response) ((response)->bsp_mpidr)

struct limine_smp_info {
    uint32_t processor_id; /* ACPI processor UID; 0 without ACPI */
    uint32_t reserved1;
    uint64_t mpidr;
    uint64_t reserved;
    limine_goto_address goto_address;
    uint64_t extra_argument; /* the kernel's own */
};

struct limine_smp_response {
    uint64_t revision;
    uint64_t flags;
    uint64_t bsp_mpidr;
    uint64_t cpu_count;
    struct limine_smp_info **cpus;
};

#else

#define LIMINE_SMP_HARDWARE_ID(info)     ((uint64_t)(info)->lapic_id)
#define LIMINE_SMP_BOOT_CPU_ID(response) ((uint64_t)(response)->bsp_lapic_id)

struct limine_smp_info {
    uint32_t processor_id; /* ACPI processor UID */
    uint32_t lapic_id;
    uint64_t reserved;
    limine_goto_address goto_address;
    uint64_t extra_argument; /* the kernel's own */
};

struct limine_smp_response {
    uint64_t revision;
    uint32_t flags;
    uint32_t bsp_lapic_id;
    uint64_t cpu_count;
    struct limine_smp_info **cpus;
};

#endif

struct limine_smp_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_smp_response *response;
    uint64_t flags;
};

/* The memory map: sorted by base; usable and reclaimable entries are page aligned and overlap
 * nothing. */
#define LIMINE_MEMMAP_USABLE                 0
#define LIMINE_MEMMAP_RESERVED               1
#define LIMINE_MEMMAP_ACPI_RECLAIMABLE       2
#define LIMINE_MEMMAP_ACPI_NVS               3
#define LIMINE_MEMMAP_BAD_MEMORY             4
#define LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE 5
#define LIMINE_MEMMAP_KERNEL_AND_MODULES     6
#define LIMINE_MEMMAP_FRAMEBUFFER            7

struct limine_memmap_entry {
    uint64_t base; /* physical */
    uint64_t length;
    uint64_t type;
};

struct limine_memmap_response {
    uint64_t revision;
    uint64_t entry_count;
    struct limine_memmap_entry **entries;
};

struct limine_memmap_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_memmap_response *response;
};

/* Start somewhere else than at the ELF file's entry point. */
typedef void (*limine_entry_point)(void);

struct limine_entry_point_response {
    uint64_t revision;
};

struct limine_entry_point_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_entry_point_response *response;
    limine_entry_point entry;
};

/* Files: the kernel's own, with the kernel command line, and the modules. */
#define LIMINE_MEDIA_TYPE_GENERIC 0
#define LIMINE_MEDIA_TYPE_OPTICAL 1
#define LIMINE_MEDIA_TYPE_TFTP    2

struct limine_uuid {
    uint32_t a;
    uint16_t b;
    uint16_t c;
    uint8_t d[8];
};

struct limine_file {
    uint64_t revision;
    void *address; /* page aligned */
    uint64_t size;
    char *path; /* within its volume, with the leading slash */
    char *cmdline;
    uint32_t media_type;
    uint32_t unused;
    uint32_t tftp_ip;
    uint32_t tftp_port;
    uint32_t partition_index;
    uint32_t mbr_disk_id;
    struct limine_uuid gpt_disk_uuid;
    struct limine_uuid gpt_part_uuid;
    struct limine_uuid part_uuid;
};

struct limine_kernel_file_response {
    uint64_t revision;
    struct limine_file *kernel_file;
};

struct limine_kernel_file_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_kernel_file_response *response;
};

/* Modules that the kernel itself asks for come first, then those of the configuration. */
#define LIMINE_INTERNAL_MODULE_REQUIRED   (1 << 0)
#define LIMINE_INTERNAL_MODULE_COMPRESSED (1 << 1)

struct limine_internal_module {
    const char *path; /* relative to the kernel's directory */
    const char *cmdline;
    uint64_t flags;
};

struct limine_module_response {
    uint64_t revision;
    uint64_t module_count;
    struct limine_file **modules;
};

struct limine_module_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_module_response *response;
    uint64_t internal_module_count; /* this and the next: request revision 1 */
    struct limine_internal_module **internal_modules;
};

/* Firmware tables. */
struct limine_rsdp_response {
    uint64_t revision;
    void *address;
};

struct limine_rsdp_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_rsdp_response *response;
};

struct limine_smbios_response {
    uint64_t revision;
    void *entry_32;
    void *entry_64;
};

struct limine_smbios_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_smbios_response *response;
};

struct limine_efi_system_table_response {
    uint64_t revision;
    void *address;
};

struct limine_efi_system_table_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_efi_system_table_response *response;
};

struct limine_efi_memmap_response {
    uint64_t revision;
    void *memmap;
    uint64_t memmap_size;
    uint64_t desc_size;
    uint64_t desc_version;
};

struct limine_efi_memmap_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_efi_memmap_response *response;
};

struct limine_dtb_response {
    uint64_t revision;
    void *dtb_ptr;
};

struct limine_dtb_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_dtb_response *response;
};

/* UNIX time in seconds when the machine booted. */
struct limine_boot_time_response {
    uint64_t revision;
    int64_t boot_time;
};

struct limine_boot_time_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_boot_time_response *response;
};

/* Where the kernel image lies. */
struct limine_kernel_address_response {
    uint64_t revision;
    uint64_t physical_base;
    uint64_t virtual_base;
};

struct limine_kernel_address_request {
    uint64_t id[4];
    uint64_t revision;
    struct limine_kernel_address_response *response;
};

/* The layouts that a miscounted field would shift. */
#if UINTPTR_MAX == 0xffffffffffffffff
_Static_assert(sizeof(struct limine_request) == 48, "request header");
_Static_assert(sizeof(struct limine_framebuffer) == 80, "framebuffer");
_Static_assert(sizeof(struct limine_file) == 112, "file");
_Static_assert(sizeof(struct limine_video_mode) == 40, "video mode");
#endif
