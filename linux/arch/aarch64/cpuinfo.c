/* /proc/cpuinfo of aarch64. What the CPU is cannot be read at this level, so only what every
 * ARMv8-A has is said. */
#include <linux/machine.h>
#include <linux/procfs.h>

int proc_show_cpus(struct pseudo_node *node, struct text *text)
{
    (void)node;
    for (unsigned cpu = 0; cpu < machine_cpu_count(); cpu++) {
        text_add(text, "processor\t: %u\nBogoMIPS\t: 100.00\nFeatures\t: fp asimd\n", cpu);
        text_add(text, "CPU implementer\t: 0x00\nCPU architecture: 8\nCPU variant\t: 0x0\n");
        text_add(text, "CPU part\t: 0x000\nCPU revision\t: 0\n\n");
    }
    return 0;
}
