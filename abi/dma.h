/* What dma_pin writes: where the device finds the pages that were pinned, in their order. Pages
 * that lie in more than DMA_RUNS_MAX places are pinned in several parts.
 */
#pragma once

#include <stdint.h>

struct dma_run {
    uint64_t address; /* for the device */
    uint64_t size_bytes;
};

enum { DMA_PIN_PAGES_MAX = 512, DMA_RUNS_MAX = 248 };
