/* BOOTX64.EFI and BOOTAA64.EFI: the loader as a UEFI application. Firmware enters at efi_main. */
#include "uefi.h"
#include "uefi_cpu.h"

static struct uefi uefi;

uint64_t efi_main(void *image, struct efi_system_table *system);

uint64_t efi_main(void *image, struct efi_system_table *system)
{
    uefi.image = image;
    uefi.system = system;
    uefi_console_init(&uefi);
    uefi.platform.put(&uefi.platform, '\n'); /* the firmware may have left a line open */

    /* Firmware resets the machine after five minutes otherwise: a failure shall stay readable. */
    (void)system->boot->set_watchdog_timer(0, 0, 0, NULL);
    enum status status = uefi_volume_init(&uefi);
    if (status != OK)
        boot_fail("cannot open the boot volume: %s", status_text(status));
    uefi_memory_init(&uefi);
    uefi_facts_init(&uefi);
    cpu_serial_init(&uefi.platform);
    boot_main(&uefi.platform);
}
