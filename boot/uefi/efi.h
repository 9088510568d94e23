/* What the loader uses of UEFI, from the UEFI specification 2.10: the layouts are the firmware's.
 *
 * Members that the loader never touches are `void *` placeholders with the specification's names,
 * so that each table can be compared with the specification line by line. Every function pointer
 * uses the calling convention of the target (`--target=ARCH-unknown-windows`), which is what UEFI
 * demands.
 */
#pragma once

#include <base/compiler.h>
#include <stdint.h>

/* Appendix D. The top bit marks an error; a warning is not one, but nothing here may give any. */
#define EFI_ERROR_BIT        BIT64(63)
#define EFI_SUCCESS          ((uint64_t)0)
#define EFI_LOAD_ERROR       (EFI_ERROR_BIT | 1)
#define EFI_INVALID          (EFI_ERROR_BIT | 2)
#define EFI_BUFFER_TOO_SMALL (EFI_ERROR_BIT | 5)
#define EFI_OUT_OF_RESOURCES (EFI_ERROR_BIT | 9)
#define EFI_NOT_FOUND        (EFI_ERROR_BIT | 14)

struct efi_guid {
    uint32_t a;
    uint16_t b;
    uint16_t c;
    uint8_t d[8];
};

/* 4.2 */
struct efi_table_header {
    uint64_t signature;
    uint32_t revision;
    uint32_t header_size;
    uint32_t crc32;
    uint32_t reserved;
};

/* 12.4: text output */
struct efi_text_output {
    void *reset;
    uint64_t (*output_string)(struct efi_text_output *self, const uint16_t *text);
    void *test_string;
    void *query_mode;
    void *set_mode;
    void *set_attribute;
    void *clear_screen;
    void *set_cursor_position;
    void *enable_cursor;
    void *mode;
};

/* 8.3 */
struct efi_time {
    uint16_t year;
    uint8_t month;
    uint8_t day;
    uint8_t hour;
    uint8_t minute;
    uint8_t second;
    uint8_t padding_1;
    uint32_t nanosecond;
    int16_t time_zone_minutes; /* UTC minus local time, or EFI_TIME_ZONE_UNSPECIFIED */
    uint8_t daylight;
    uint8_t padding_2;
};

enum { EFI_TIME_ZONE_UNSPECIFIED = 0x7ff };

struct efi_runtime_services {
    struct efi_table_header header;
    uint64_t (*get_time)(struct efi_time *time_out, void *capabilities);
    void *set_time;
    void *get_wakeup_time;
    void *set_wakeup_time;
    void *set_virtual_address_map;
    void *convert_pointer;
    void *get_variable;
    void *get_next_variable_name;
    void *set_variable;
    void *get_next_high_monotonic_count;
    void *reset_system;
};

/* 7.2 */
enum efi_memory_type {
    EFI_RESERVED_MEMORY,
    EFI_LOADER_CODE,
    EFI_LOADER_DATA,
    EFI_BOOT_SERVICES_CODE,
    EFI_BOOT_SERVICES_DATA,
    EFI_RUNTIME_SERVICES_CODE,
    EFI_RUNTIME_SERVICES_DATA,
    EFI_CONVENTIONAL_MEMORY,
    EFI_UNUSABLE_MEMORY,
    EFI_ACPI_RECLAIM_MEMORY,
    EFI_ACPI_NVS_MEMORY,
    EFI_MEMORY_MAPPED_IO,
    EFI_MEMORY_MAPPED_IO_PORTS,
    EFI_PAL_CODE,
    EFI_PERSISTENT_MEMORY,
    EFI_UNACCEPTED_MEMORY,
};

enum efi_allocate_type { EFI_ALLOCATE_ANY_PAGES, EFI_ALLOCATE_MAX_ADDRESS, EFI_ALLOCATE_ADDRESS };

enum { EFI_PAGE_BYTES = 4096 };

#define EFI_MEMORY_WB BIT64(3) /* may be cached: ordinary RAM */

/* The firmware's descriptors may be longer than this: step by the size it reports. */
struct efi_memory_descriptor {
    uint32_t type;
    uint32_t padding;
    uint64_t physical_start;
    uint64_t virtual_start;
    uint64_t page_count;
    uint64_t attribute;
};

/* 4.4 */
struct efi_boot_services {
    struct efi_table_header header;
    void *raise_tpl;
    void *restore_tpl;
    uint64_t (*allocate_pages)(enum efi_allocate_type how, enum efi_memory_type type,
                               uint64_t page_count, uint64_t *address_inout);
    uint64_t (*free_pages)(uint64_t address, uint64_t page_count);
    uint64_t (*get_memory_map)(uint64_t *size_inout, struct efi_memory_descriptor *map,
                               uint64_t *key_out, uint64_t *descriptor_size_out,
                               uint32_t *version_out);
    void *allocate_pool;
    void *free_pool;
    void *create_event;
    void *set_timer;
    void *wait_for_event;
    void *signal_event;
    void *close_event;
    void *check_event;
    void *install_protocol_interface;
    void *reinstall_protocol_interface;
    void *uninstall_protocol_interface;
    uint64_t (*handle_protocol)(void *handle, const struct efi_guid *protocol,
                                void **interface_out);
    void *reserved;
    void *register_protocol_notify;
    void *locate_handle;
    void *locate_device_path;
    void *install_configuration_table;
    void *load_image;
    void *start_image;
    void *exit;
    void *unload_image;
    uint64_t (*exit_boot_services)(void *image, uint64_t map_key);
    void *get_next_monotonic_count;
    uint64_t (*stall)(uint64_t microseconds);
    uint64_t (*set_watchdog_timer)(uint64_t timeout_seconds, uint64_t code, uint64_t data_bytes,
                                   const uint16_t *data);
    void *connect_controller;
    void *disconnect_controller;
    void *open_protocol;
    void *close_protocol;
    void *open_protocol_information;
    void *protocols_per_handle;
    void *locate_handle_buffer;
    uint64_t (*locate_protocol)(const struct efi_guid *protocol, void *registration,
                                void **interface_out);
};

/* 4.6 */
struct efi_configuration_table {
    struct efi_guid guid;
    void *table;
};

#define EFI_ACPI_20_TABLE                                                                          \
    {                                                                                              \
        0x8868e871, 0xe4f1, 0x11d3,                                                                \
        {                                                                                          \
            0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81                                         \
        }                                                                                          \
    }
#define EFI_ACPI_10_TABLE                                                                          \
    {                                                                                              \
        0xeb9d2d30, 0x2d88, 0x11d3,                                                                \
        {                                                                                          \
            0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d                                         \
        }                                                                                          \
    }
#define EFI_DTB_TABLE                                                                              \
    {                                                                                              \
        0xb1b621d5, 0xf19c, 0x41a5,                                                                \
        {                                                                                          \
            0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0                                         \
        }                                                                                          \
    }

#define EFI_SMBIOS_TABLE                                                                           \
    {                                                                                              \
        0xeb9d2d31, 0x2d88, 0x11d3,                                                                \
        {                                                                                          \
            0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d                                         \
        }                                                                                          \
    }
#define EFI_SMBIOS3_TABLE                                                                          \
    {                                                                                              \
        0xf2fd1544, 0x9794, 0x4a2c,                                                                \
        {                                                                                          \
            0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94                                         \
        }                                                                                          \
    }

/* 4.3 */
struct efi_system_table {
    struct efi_table_header header;
    const uint16_t *firmware_vendor;
    uint32_t firmware_revision;
    void *console_in_handle;
    void *con_in;
    void *console_out_handle;
    struct efi_text_output *con_out;
    void *standard_error_handle;
    void *std_err;
    struct efi_runtime_services *runtime;
    struct efi_boot_services *boot;
    uint64_t table_count;
    struct efi_configuration_table *tables;
};

/* 9.1 */
#define EFI_LOADED_IMAGE_PROTOCOL                                                                  \
    {                                                                                              \
        0x5b1b31a1, 0x9562, 0x11d2,                                                                \
        {                                                                                          \
            0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b                                         \
        }                                                                                          \
    }

struct efi_loaded_image {
    uint32_t revision;
    void *parent_handle;
    struct efi_system_table *system_table;
    void *device_handle; /* the volume that we were loaded from */
    void *file_path;
    void *reserved;
    uint32_t load_options_size;
    void *load_options;
    void *image_base;
    uint64_t image_size;
    enum efi_memory_type image_code_type;
    enum efi_memory_type image_data_type;
    void *unload;
};

/* 13.4, 13.5 */
#define EFI_SIMPLE_FILE_SYSTEM_PROTOCOL                                                            \
    {                                                                                              \
        0x964e5b22, 0x6459, 0x11d2,                                                                \
        {                                                                                          \
            0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b                                         \
        }                                                                                          \
    }
#define EFI_FILE_INFO                                                                              \
    {                                                                                              \
        0x09576e92, 0x6d3f, 0x11d2,                                                                \
        {                                                                                          \
            0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b                                         \
        }                                                                                          \
    }

#define EFI_FILE_MODE_READ      BIT64(0)
#define EFI_FILE_DIRECTORY_FLAG BIT64(4)

struct efi_file_info {
    uint64_t size; /* of this structure with the name that follows it */
    uint64_t file_size;
    uint64_t physical_size;
    struct efi_time create_time;
    struct efi_time access_time;
    struct efi_time modification_time;
    uint64_t attribute;
};

struct efi_file {
    uint64_t revision;
    uint64_t (*open)(struct efi_file *self, struct efi_file **file_out, const uint16_t *name,
                     uint64_t mode, uint64_t attributes);
    uint64_t (*close)(struct efi_file *self);
    void *delete;
    uint64_t (*read)(struct efi_file *self, uint64_t *size_inout, void *buffer);
    void *write;
    void *get_position;
    void *set_position;
    uint64_t (*get_info)(struct efi_file *self, const struct efi_guid *type, uint64_t *size_inout,
                         void *buffer);
    void *set_info;
    void *flush;
};

struct efi_simple_file_system {
    uint64_t revision;
    uint64_t (*open_volume)(struct efi_simple_file_system *self, struct efi_file **root_out);
};

/* 12.9 */
#define EFI_GRAPHICS_OUTPUT_PROTOCOL                                                               \
    {                                                                                              \
        0x9042a9de, 0x23dc, 0x4a38,                                                                \
        {                                                                                          \
            0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a                                         \
        }                                                                                          \
    }

enum efi_pixel_format {
    EFI_PIXEL_RGB_RESERVED,
    EFI_PIXEL_BGR_RESERVED,
    EFI_PIXEL_BIT_MASK,
    EFI_PIXEL_BLT_ONLY, /* no framebuffer that a CPU could write to */
};

struct efi_graphics_mode_info {
    uint32_t version;
    uint32_t width;
    uint32_t height;
    enum efi_pixel_format format;
    uint32_t red_mask;
    uint32_t green_mask;
    uint32_t blue_mask;
    uint32_t reserved_mask;
    uint32_t pixels_per_line;
};

struct efi_graphics_mode {
    uint32_t mode_count;
    uint32_t mode;
    struct efi_graphics_mode_info *info;
    uint64_t info_size;
    uint64_t framebuffer_base;
    uint64_t framebuffer_size;
};

struct efi_graphics_output {
    void *query_mode;
    void *set_mode;
    void *blt;
    struct efi_graphics_mode *mode;
};

_Static_assert(sizeof(struct efi_memory_descriptor) == 40, "UEFI 7.2.3");
_Static_assert(sizeof(struct efi_table_header) == 24, "UEFI 4.2");
_Static_assert(sizeof(struct efi_system_table) == 120, "UEFI 4.3");
_Static_assert(offsetof(struct efi_boot_services, exit_boot_services) == 232, "UEFI 4.4");
_Static_assert(offsetof(struct efi_boot_services, locate_protocol) == 320, "UEFI 4.4");
_Static_assert(sizeof(struct efi_time) == 16, "UEFI 8.3");
_Static_assert(offsetof(struct efi_file_info, attribute) == 72, "UEFI 13.5");
_Static_assert(sizeof(struct efi_graphics_mode) == 40, "UEFI 12.9");
