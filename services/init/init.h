/* init: reads the manifest of the system image, and holds everything that there is to give. */
#pragma once

#include <fs/erofs.h>
#include <manifest/manifest.h>
#include <rt/random.h>
#include <stdbool.h>

struct init {
    struct manifest manifest;
    struct erofs fs;
    struct random_state random;
    bool random_present;
    /* Handles. */
    uint64_t system, image, clock;
};
