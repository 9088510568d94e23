/* The core's own state, between main.c (which order), load.c (files), response.c (answers) and
 * cpus.c.
 */
#pragma once

#include <boot/alloc.h>
#include <boot/arch.h>
#include <boot/config.h>
#include <boot/elf.h>
#include <boot/map.h>
#include <boot/paging.h>
#include <boot/platform.h>
#include <boot/request.h>

enum { STACK_BYTES_MIN = 64 * 1024 };

struct boot {
    struct boot_platform *platform;
    struct arena arena; /* reclaimable memory of the responses */
    struct config config;
    struct elf_image image;
    void *image_memory;
    struct boot_file kernel;
    const char *kernel_path;
    struct boot_file module[CONFIG_MODULE_MAX];
    const char *module_path[CONFIG_MODULE_MAX];
    char *cmdline;
    struct request_set request;
    struct page_tables tables;
    struct handoff handoff;
    uint64_t stack_bytes;
    struct boot_map map;
    struct boot_map_scratch scratch;
    struct boot_cpu_list cpus;
    struct limine_memmap_response *memmap_response; /* NULL: not asked for */
    struct limine_memmap_entry *memmap_entries;
    struct limine_smp_response *smp_response; /* NULL: not asked for */
    struct limine_smp_info **smp_pointers;
    struct limine_smp_info *smp_infos; /* one for each of `cpus`, as are the stacks */
    uint64_t *smp_stacks;              /* 0 for the boot CPU */
};

/* A pointer as the kernel will see it. */
static inline void *boot_virtual(const void *pointer)
{
    return (void *)((uintptr_t)pointer + (uintptr_t)arch_hhdm_base);
}

/* load.c: each returns only if all is well. */
void boot_load_config(struct boot *boot);
void boot_load_kernel(struct boot *boot);
void boot_load_modules(struct boot *boot);

/* response.c */
void boot_answer(struct boot *boot);        /* all but the memory map's contents */
void boot_answer_memmap(struct boot *boot); /* with boot->map, the final one */

/* cpus.c */
void boot_cpus_prepare(struct boot *boot);
void boot_cpus_start(struct boot *boot);
/* The upper end of a new entry stack, virtual. */
uint64_t boot_stack_create(struct boot *boot);
