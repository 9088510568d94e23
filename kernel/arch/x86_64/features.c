/* What the CPU can do, and the control registers that follow from it. */
#include "regs.h"
#include "x86.h"
#include <base/fmt.h>
#include <kernel/panic.h>

struct x86_features x86_features;
uint8_t x86_smap;

static char feature_text[128];

extern const char x86_syscall_entry[];

static bool bit(uint32_t word, unsigned index)
{
    return (word >> index & 1) != 0;
}

/* AMD's CPUs save and restore the addresses of the last x87 instruction only while an exception is
 * pending, until a bit of CPUID says otherwise (APM vol. 3, CPUID 8000_0008h EBX[2]).
 */
static bool keeps_x87_pointers(void)
{
    struct cpuid vendor = cpuid(0, 0);
    bool amd = vendor.ebx == 0x68747541 && vendor.edx == 0x69746e65 && vendor.ecx == 0x444d4163;
    return amd && !bit(cpuid(0x80000008, 0).ebx, 2);
}

void x86_features_probe(void)
{
    struct x86_features *f = &x86_features;
    struct cpuid basic = cpuid(1, 0);
    struct cpuid extended = cpuid(7, 0);
    f->pge = bit(basic.edx, 13);
    f->pcid = bit(basic.ecx, 17);
    f->x2apic = bit(basic.ecx, 21);
    f->tsc_deadline = bit(basic.ecx, 24);
    /* Without XSAVEOPT there is hardly an AVX to save, and QEMU has no OSXSAVE to switch on. */
    f->xsave = bit(basic.ecx, 26) && bit(cpuid(0xd, 1).eax, 0);
    f->keeps_pointers = keeps_x87_pointers();
    f->fsgsbase = bit(extended.ebx, 0);
    f->tsc_adjust = bit(extended.ebx, 1);
    f->smep = bit(extended.ebx, 7);
    f->smap = bit(extended.ebx, 20);
    f->umip = bit(extended.ecx, 2);
    if (!bit(cpuid(0x80000001, 0).edx, 20))
        panic("this CPU has no no-execute pages");
    if (!bit(basic.edx, 9))
        panic("this CPU has no local interrupt controller");
}

bool arch_cpu_random(void)
{
    return bit(cpuid(1, 0).ecx, 30);
}

/* CR4 bits that never change afterwards. PCIDE comes with a CR3 whose low bits are clear, which the
 * kernel's root is.
 */
static uint64_t cr4_wanted(void)
{
    const struct x86_features *f = &x86_features;
    uint64_t cr4 = CR4_DE | CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cr4 |= f->pge ? CR4_PGE : 0;
    cr4 |= f->umip ? CR4_UMIP : 0;
    cr4 |= f->fsgsbase ? CR4_FSGSBASE : 0;
    cr4 |= f->pcid ? CR4_PCIDE : 0;
    cr4 |= f->xsave ? CR4_OSXSAVE : 0;
    cr4 |= f->smep ? CR4_SMEP : 0;
    cr4 |= f->smap ? CR4_SMAP : 0;
    return cr4;
}

static void debug_registers_clear(void)
{
    __asm__ volatile("mov %0, %%dr7" : : "r"((uint64_t)0x400));
}

/* Memory types by slot. 0 to 3 are as after reset, 5 is write-combining: as the loader leaves them,
 * and as arch_pte_leaf counts on.
 */
#define PAT_VALUE 0x0007010500070406u

void x86_control_registers_init(void)
{
    /* The same on every CPU, whatever firmware liked: with AMD's FFXSR, for one, FXSAVE would leave
     * one thread's vector registers to the next.
     */
    wrmsr(MSR_EFER, (rdmsr(MSR_EFER) & (EFER_LME | EFER_LMA)) | EFER_NXE | EFER_SCE);
    wrmsr(MSR_PAT, PAT_VALUE);
    /* CR0: faults on read-only pages in the kernel too; caches on; the vector unit shut until used.
     */
    uint64_t cr0 = read_cr0() & ~(CR0_EM | CR0_AM | CR0_NW | CR0_CD);
    write_cr0(cr0 | CR0_MP | CR0_NE | CR0_WP | CR0_TS);
    /* Without PGE first: that drops what the loader's tables left in the TLB as global. */
    write_cr4(cr4_wanted() & ~(CR4_PGE | CR4_PCIDE));
    write_cr4(cr4_wanted());
    x86_smap = x86_features.smap;

    wrmsr(MSR_STAR, (uint64_t)SELECTOR_KERNEL_DATA << 48 | (uint64_t)SELECTOR_KERNEL_CODE << 32);
    wrmsr(MSR_LSTAR, (uint64_t)(uintptr_t)x86_syscall_entry);
    wrmsr(MSR_CSTAR, 0);
    wrmsr(MSR_SYSENTER_CS, 0);
    /* Every flag that syscall can clear: the kernel starts with none of the user's. */
    wrmsr(MSR_FMASK, 0x3f7fd5);
    wrmsr(MSR_FS_BASE, 0);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    debug_registers_clear();
}

static void feature_append(bool present, const char *name)
{
    size_t used = 0;
    while (feature_text[used] != '\0')
        used++;
    if (present)
        (void)format_text(feature_text + used, sizeof(feature_text) - used, "%s%s",
                          used == 0 ? "" : " ", name);
}

const char *arch_cpu_features(void)
{
    const struct x86_features *f = &x86_features;
    feature_text[0] = '\0';
    feature_append(true, "nx");
    feature_append(f->pge, "pge");
    feature_append(f->smep, "smep");
    feature_append(f->smap, "smap");
    feature_append(f->umip, "umip");
    feature_append(f->fsgsbase, "fsgsbase");
    feature_append(f->pcid, "pcid");
    feature_append(f->x2apic, "x2apic");
    feature_append(f->tsc_deadline, "tsc-deadline");
    feature_append(f->xsave, "xsaveopt");
    feature_append(!f->xsave, "fxsave");
    return feature_text;
}
