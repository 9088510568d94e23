/* Loading flat programs. The image is part of the kernel, so a bad header is a bug, not an input.
 */
#include <kernel/flat.h>
#include <kernel/memory.h>
#include <kernel/panic.h>

enum status flat_load(struct vspace *vspace, const struct flat_header *image)
{
    ASSERT(image->magic == FLAT_MAGIC);
    ASSERT(((image->text_bytes | image->data_bytes | image->bss_bytes) & PAGE_MASK) == 0);

    struct memory *memory;
    uint64_t bytes = image->text_bytes + image->data_bytes;
    enum status status = memory_create(vspace->payer, bytes + image->bss_bytes, &memory);
    if (status != OK)
        return status;
    struct map_request text = {
        .memory = memory,
        .at = uaddr(image->base),
        .size_bytes = image->text_bytes,
        .perm = PERM_READ | PERM_EXECUTE,
        .limit = PERM_READ | PERM_EXECUTE,
        .flags = MAP_POPULATE,
    };
    struct map_request data = {
        .memory = memory,
        .at = uaddr(image->base + image->text_bytes),
        .size_bytes = image->data_bytes + image->bss_bytes,
        .offset = image->text_bytes,
        .perm = PERM_READ | PERM_WRITE,
        .limit = PERM_READ | PERM_WRITE,
    };
    status = memory_write(memory, 0, image, (size_t)bytes);
    if (status == OK)
        status = vspace_map(vspace, &text);
    if (status == OK && data.size_bytes != 0)
        status = vspace_map(vspace, &data);
    memory_put(memory); /* the mappings have their own references */
    return status;
}
