/* /proc/cpuinfo of x86_64, from the CPUID instruction. Intel SDM vol. 2, CPUID. */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/machine.h>
#include <linux/procfs.h>

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static struct cpuid cpuid(uint32_t leaf)
{
    struct cpuid id;
    __asm__ volatile("cpuid"
                     : "=a"(id.eax), "=b"(id.ebx), "=c"(id.ecx), "=d"(id.edx)
                     : "a"(leaf), "c"(0));
    return id;
}

/* The flags of leaf 1 and of leaf 7 that programs look for. */
static const struct {
    uint32_t leaf;
    char part; /* b, c or d: the register */
    uint8_t bit;
    const char *name;
} flags[] = {
    { 1, 'd', 0, "fpu" },          { 1, 'd', 4, "tsc" },
    { 1, 'd', 8, "cx8" },          { 1, 'd', 15, "cmov" },
    { 1, 'd', 19, "clflush" },     { 1, 'd', 23, "mmx" },
    { 1, 'd', 24, "fxsr" },        { 1, 'd', 25, "sse" },
    { 1, 'd', 26, "sse2" },        { 1, 'd', 28, "ht" },
    { 1, 'c', 0, "pni" },          { 1, 'c', 1, "pclmulqdq" },
    { 1, 'c', 9, "ssse3" },        { 1, 'c', 12, "fma" },
    { 1, 'c', 13, "cx16" },        { 1, 'c', 19, "sse4_1" },
    { 1, 'c', 20, "sse4_2" },      { 1, 'c', 22, "movbe" },
    { 1, 'c', 23, "popcnt" },      { 1, 'c', 25, "aes" },
    { 1, 'c', 26, "xsave" },       { 1, 'c', 28, "avx" },
    { 1, 'c', 29, "f16c" },        { 1, 'c', 30, "rdrand" },
    { 1, 'c', 31, "hypervisor" },  { 7, 'b', 3, "bmi1" },
    { 7, 'b', 5, "avx2" },         { 7, 'b', 8, "bmi2" },
    { 7, 'b', 9, "erms" },         { 7, 'b', 16, "avx512f" },
    { 7, 'b', 18, "rdseed" },      { 7, 'b', 19, "adx" },
    { 7, 'b', 29, "sha_ni" },      { 0x80000001, 'd', 11, "syscall" },
    { 0x80000001, 'd', 20, "nx" }, { 0x80000001, 'd', 27, "rdtscp" },
    { 0x80000001, 'd', 29, "lm" }, { 0x80000001, 'c', 0, "lahf_lm" },
    { 0x80000001, 'c', 5, "abm" },
};

static void add_flags(struct text *text)
{
    uint32_t highest = cpuid(0).eax;
    text_add(text, "flags\t\t:");
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (flags[i].leaf < 0x80000000 && flags[i].leaf > highest)
            continue;
        struct cpuid id = cpuid(flags[i].leaf);
        uint32_t word = flags[i].part == 'b' ? id.ebx : flags[i].part == 'c' ? id.ecx : id.edx;
        if ((word >> flags[i].bit & 1) != 0)
            text_add(text, " %s", flags[i].name);
    }
    text_add(text, "\n");
}

static void add_brand(struct text *text)
{
    char brand[3 * sizeof(struct cpuid) + 1] = "unknown";
    if (cpuid(0x80000000).eax >= 0x80000004) {
        for (uint32_t i = 0; i < 3; i++) {
            struct cpuid id = cpuid(0x80000002 + i);
            memcpy(brand + i * sizeof(id), &id, sizeof(id));
        }
    }
    brand[sizeof(brand) - 1] = '\0';
    text_add(text, "model name\t: %s\n", brand);
}

static void add_model(struct text *text)
{
    uint32_t version = cpuid(1).eax;
    uint32_t family = version >> 8 & 0xf;
    uint32_t model = version >> 4 & 0xf;
    if (family == 6 || family == 15)
        model |= version >> 12 & 0xf0;
    if (family == 15)
        family += version >> 20 & 0xff;
    text_add(text, "cpu family\t: %u\nmodel\t\t: %u\n", family, model);
    add_brand(text);
    text_add(text, "stepping\t: %u\n", version & 0xf);
}

static void add_cpu(struct text *text, unsigned cpu, unsigned count)
{
    struct cpuid id = cpuid(0);
    char vendor[13] = { 0 };
    memcpy(vendor, &id.ebx, 4);
    memcpy(vendor + 4, &id.edx, 4);
    memcpy(vendor + 8, &id.ecx, 4);
    text_add(text, "processor\t: %u\nvendor_id\t: %s\n", cpu, vendor);
    add_model(text);
    text_add(text, "cpu MHz\t\t: 1000.000\nphysical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\n",
             count, cpu);
    text_add(text, "cpu cores\t: %u\napicid\t\t: %u\nfpu\t\t: yes\n", count, cpu);
    add_flags(text);
    text_add(text, "bogomips\t: 2000.00\nclflush size\t: 64\n\n");
}

int proc_show_cpus(struct pseudo_node *node, struct text *text)
{
    (void)node;
    unsigned count = machine_cpu_count();
    for (unsigned cpu = 0; cpu < count; cpu++)
        add_cpu(text, cpu, count);
    return 0;
}
