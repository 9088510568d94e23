/* The configuration of an image, between its JSON and abi/image_config.h. */
#pragma once

#include <image_config.h>
#include <oci/error.h>
#include <stdbool.h>

/* Where every list is in the structure: for what treats them alike. */
enum { OCI_CONFIG_LIST_COUNT = 10 };

/* Is this a block with lists and texts where it says? A text that this was true for can be read by
 * oci_config_text. */
bool oci_config_valid(const void *block, size_t size_bytes);
/* The nth text of a list of the block, NULL if there are fewer. */
const char *oci_config_text(const struct image_config *config, const struct image_config_list *list,
                            uint32_t index);
