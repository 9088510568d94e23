/* DMA: memory that a device may read and write by itself.
 *
 * One object stands for all devices; a capability covers a span (span.h) of their numbers, which
 * are what an IOMMU tells them apart by: the requester ID on PCI, the stream ID on Arm. A pin
 * makes a part of a memory object reachable for the devices of the capability: its pages are
 * committed, cannot be taken away, and have addresses for the device.
 *
 * A pin that goes because its capability goes, as when a driver dies, is quarantined: nobody has
 * told the device to stop, so its pages stay as they are, whatever happens to the memory object,
 * until somebody with the right to unpin for that device says that it is quiet. Until then nothing
 * can be pinned for it. So what is quarantined, which nobody pays for, is never more than what one
 * driver had paid for.
 *
 * A pin does not keep the Memory's budget from its end: when the Memory is destroyed, the pages
 * stay for the device alone, and nothing more is pinned through the capability until it is
 * unpinned.
 *
 * Without an IOMMU a device reaches all of memory, and pins only keep pages in
 * place: who drives a device that masters the bus is trusted.
 *
 * Locking: the object's lock guards pins and lists.
 */
#pragma once

#include <dma.h>
#include <kernel/cspace.h>
#include <kernel/span.h>

enum { DMA_DEVICES = 0x10000, DMA_PINS_MAX = 256 /* through one capability */ };

struct pin;

extern struct object dma_object;

/* Once. */
void dma_init(void);
/* What a capability for `count` devices from the `offset`th of `badge`'s would be stamped with. */
enum status dma_part(uint64_t badge, uint64_t offset, uint64_t count, uint64_t *part_out);

/* Pin pages of `memory` for the devices of `badge`. `payer` pays a page for it, and is kept by the
 * caller until dma_pin_attach. ERR_RANGE: unaligned, not within, or more than DMA_PIN_PAGES_MAX.
 * ERR_LIMIT: they lie in more than DMA_RUNS_MAX places. ERR_LIMIT, ERR_DEAD: the budget. Errors of
 * memory_pin.
 */
enum status dma_pin_create(struct object *memory, uint64_t offset, uint64_t size_bytes,
                           uint64_t badge, struct budget *payer, struct pin **pin_out);
/* Give up one that was not attached. */
void dma_pin_destroy(struct pin *pin_taken);
/* From now on it exists through this capability, which is acquired and has the badge that it was
 * made for, in a table that `payer` pays for. ERR_BUSY: something is quarantined for one of its
 * devices, or a pin of this capability has lost its Memory. ERR_LIMIT: DMA_PINS_MAX.
 */
enum status dma_pin_attach(struct pin *pin, struct capability *capability, uint64_t *id_out);
const struct dma_run *dma_pin_runs(const struct pin *pin, size_t *count_out);

/* Take a pin out of its devices' reach: one that exists through this capability, or one of its
 * devices' that is quarantined; with id 0 all of these, in slices. The caller says by this that the
 * devices are quiet. ERR_NOT_FOUND.
 */
enum status dma_unpin(struct cspace *cspace, uint64_t handle, uint64_t id, struct work *work);
