/* Loading flat programs. The image is part of the kernel, so a bad header is a bug, not an input.
 */
#include <arch/mmu.h>
#include <base/string.h>
#include <kernel/flat.h>
#include <kernel/frame.h>
#include <kernel/panic.h>

/* A private copy of one page, mapped at `at`. */
static enum status load_page(struct vspace *vspace, uint64_t at, const void *bytes, unsigned perm)
{
    struct frame *frame;
    enum status status = frame_alloc(0, 0, &frame);
    if (status != OK)
        return status;
    memcpy(frame_kernel(frame), bytes, PAGE_SIZE);
    arch_sync_instructions(frame_kernel(frame), PAGE_SIZE);
    status = vspace_map(vspace, uaddr(at), frame, 1, perm);
    frame_put(frame); /* the mapping has its own reference */
    return status;
}

static enum status load_segment(struct vspace *vspace, const struct flat_header *image,
                                uint64_t offset, uint64_t size_bytes, unsigned perm)
{
    const char *bytes = (const char *)image;
    for (uint64_t done = 0; done < size_bytes; done += PAGE_SIZE) {
        enum status status =
            load_page(vspace, FLAT_BASE + offset + done, bytes + offset + done, perm);
        if (status != OK)
            return status;
    }
    return OK;
}

enum status flat_load(struct vspace *vspace, const struct flat_header *image)
{
    ASSERT(image->magic == FLAT_MAGIC);
    ASSERT(((image->text_bytes | image->data_bytes | image->bss_bytes) & PAGE_MASK) == 0);

    enum status status =
        load_segment(vspace, image, 0, image->text_bytes, PERM_READ | PERM_EXECUTE);
    if (status == OK)
        status = load_segment(vspace, image, image->text_bytes, image->data_bytes,
                              PERM_READ | PERM_WRITE);
    if (status == OK && image->bss_bytes != 0)
        status = vspace_reserve(vspace, uaddr(FLAT_BASE + image->text_bytes + image->data_bytes),
                                image->bss_bytes, PERM_READ | PERM_WRITE);
    return status;
}
