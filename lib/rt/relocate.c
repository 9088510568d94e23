/* A position independent program with no libraries has relative relocations only. lib/rt/arch calls
 * this first: nothing is usable before it that has an address in memory.
 */
#include <rt_arch/cpu.h>
#include <rt_arch/elf.h>
#include <stddef.h>
#include <stdint.h>

enum { DYNAMIC_END = 0, DYNAMIC_RELA = 7, DYNAMIC_RELA_BYTES = 8 };

struct dynamic_entry {
    int64_t tag;
    uint64_t value;
};

struct relocation {
    uint64_t offset;
    uint64_t info; /* type in the low half */
    int64_t addend;
};

void rt_relocate(uint64_t base, const struct dynamic_entry *dynamic);

void rt_relocate(uint64_t base, const struct dynamic_entry *dynamic)
{
    const struct relocation *relocation = NULL;
    uint64_t size_bytes = 0;
    for (; dynamic->tag != DYNAMIC_END; dynamic++) {
        if (dynamic->tag == DYNAMIC_RELA)
            relocation = (const struct relocation *)(base + dynamic->value);
        else if (dynamic->tag == DYNAMIC_RELA_BYTES)
            size_bytes = dynamic->value;
    }
    for (; relocation != NULL && size_bytes >= sizeof(*relocation);
         size_bytes -= sizeof(*relocation), relocation++) {
        if ((uint32_t)relocation->info != RT_R_RELATIVE)
            rt_cpu_trap();
        *(uint64_t *)(base + relocation->offset) = base + (uint64_t)relocation->addend;
    }
}
