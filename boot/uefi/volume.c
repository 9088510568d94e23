/* Files of the volume that the loader itself was loaded from (UEFI 13.4, 13.5): the EFI system
 * partition of a disk, or the FAT image of an El Torito disc.
 */
#include "uefi.h"

enum {
    PATH_CHARS_MAX = 256,
    /* One Read is at most this long: firmware drivers with a limit on one transfer exist. */
    READ_BYTES_MAX = 4 * 1024 * 1024,
};

static const struct efi_guid loaded_image_protocol = EFI_LOADED_IMAGE_PROTOCOL;
static const struct efi_guid file_system_protocol = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL;
static const struct efi_guid file_info_type = EFI_FILE_INFO;

/* UEFI separates names by backslashes; runs of slashes count as one. */
static enum status name_from_path(const char *path, uint16_t *name, size_t name_max)
{
    size_t length = 0;
    for (size_t i = 0; path[i] != '\0'; i++) {
        if (path[i] == '/' && path[i + 1] == '/')
            continue;
        if (length + 1 >= name_max)
            return ERR_RANGE;
        name[length++] = path[i] == '/' ? '\\' : (uint8_t)path[i];
    }
    name[length] = 0;
    return OK;
}

/* The size of a plain file. The answer carries the file's name behind the structure. */
static enum status file_size(struct efi_file *file, uint64_t *size_bytes_out)
{
    union {
        struct efi_file_info info;
        uint8_t bytes[sizeof(struct efi_file_info) + sizeof(uint16_t) * PATH_CHARS_MAX];
    } answer;
    uint64_t answer_bytes = sizeof(answer);

    if (file->get_info(file, &file_info_type, &answer_bytes, &answer) != EFI_SUCCESS ||
        answer_bytes < sizeof(answer.info))
        return ERR_DEVICE;
    if ((answer.info.attribute & EFI_FILE_DIRECTORY_FLAG) != 0)
        return ERR_NOT_FOUND;
    *size_bytes_out = answer.info.file_size;
    return OK;
}

static enum status read_bytes(struct efi_file *file, uint8_t *bytes, uint64_t size_bytes)
{
    for (uint64_t done = 0; done < size_bytes;) {
        uint64_t want = MIN(size_bytes - done, (uint64_t)READ_BYTES_MAX);
        uint64_t got = want;
        if (file->read(file, &got, bytes + done) != EFI_SUCCESS || got == 0 || got > want)
            return ERR_DEVICE;
        done += got;
    }
    return OK;
}

static enum status read_open_file(struct boot_platform *platform, struct efi_file *file,
                                  uint64_t type, struct boot_file *file_out)
{
    uint64_t size_bytes = 0;
    enum status status = file_size(file, &size_bytes);
    if (status != OK)
        return status;
    if (size_bytes > INT64_MAX)
        return ERR_DEVICE;

    uint64_t buffer_bytes = ALIGN_UP(MAX(size_bytes, (uint64_t)1), BOOT_PAGE_SIZE);
    void *memory = NULL;
    status = boot_alloc(platform, buffer_bytes, type, &memory);
    if (status != OK)
        return status;

    uint8_t *bytes = memory;
    status = read_bytes(file, bytes, size_bytes);
    if (status != OK)
        return status;
    for (uint64_t i = size_bytes; i < buffer_bytes; i++)
        bytes[i] = 0;
    *file_out = (struct boot_file){ .data = memory, .size_bytes = size_bytes };
    return OK;
}

static enum status uefi_read_file(struct boot_platform *platform, const char *path, uint64_t type,
                                  struct boot_file *file_out)
{
    struct uefi *uefi = uefi_of(platform);
    uint16_t name[PATH_CHARS_MAX];
    struct efi_file *file = NULL;

    enum status status = name_from_path(path, name, ARRAY_LEN(name));
    if (status != OK)
        return status;

    uint64_t efi_status = uefi->root->open(uefi->root, &file, name, EFI_FILE_MODE_READ, 0);
    if (efi_status == EFI_NOT_FOUND)
        return ERR_NOT_FOUND;
    if (efi_status != EFI_SUCCESS)
        return efi_status == EFI_OUT_OF_RESOURCES ? ERR_NO_MEMORY : ERR_DEVICE;

    status = read_open_file(platform, file, type, file_out);
    file->close(file);
    return status;
}

void uefi_volume_calls(struct uefi *uefi)
{
    uefi->platform.read_file = uefi_read_file;
}

enum status uefi_volume_init(struct uefi *uefi)
{
    struct efi_boot_services *boot = uefi->system->boot;
    void *interface = NULL;

    uefi_volume_calls(uefi);
    if (boot->handle_protocol(uefi->image, &loaded_image_protocol, &interface) != EFI_SUCCESS)
        return ERR_NOT_FOUND;
    struct efi_loaded_image *image = interface;

    if (image->device_handle == NULL ||
        boot->handle_protocol(image->device_handle, &file_system_protocol, &interface) !=
            EFI_SUCCESS)
        return ERR_NOT_FOUND;
    struct efi_simple_file_system *file_system = interface;

    if (file_system->open_volume(file_system, &uefi->root) != EFI_SUCCESS)
        return ERR_DEVICE;
    return OK;
}
