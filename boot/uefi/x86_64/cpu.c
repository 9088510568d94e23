/* Interrupt mask and serial port of a PC. */
#include <uefi_cpu.h>

#include <boot/console_pc.h>

void cpu_mask_interrupts(void)
{
    __asm__ volatile("cli" ::: "memory");
}

void cpu_serial_init(const struct boot_platform *platform)
{
    (void)platform;
}

void cpu_serial_put(struct boot_platform *platform, char c)
{
    serial_put(platform, c);
}
