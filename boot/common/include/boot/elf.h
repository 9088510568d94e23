/* Kernel files: static ELF64 executables in the upper 2 GiB. */
#pragma once

#include <elf/elf.h>

#define ELF_ADDRESS_MIN 0xffffffff80000000u
#define ELF_IMAGE_MAX   (256u << 20)

/* On failure ERR_FORMAT, and a text that continues "the kernel cannot be used: ...". */
enum status kernel_parse(const void *data, size_t size_bytes, uint16_t machine,
                         struct elf_image *image_out, const char **problem_out);
/* Put the image into `memory`, which has size_bytes bytes and is written in full. */
void kernel_load(const struct elf_image *image, const void *data, void *memory);
