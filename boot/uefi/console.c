/* The loader's console: the firmware's, which reaches screen and serial port alike; after the
 * firmware is gone, the serial port itself.
 */
#include "uefi.h"
#include "uefi_cpu.h"

static void uefi_put(struct boot_platform *platform, char c)
{
    struct uefi *uefi = uefi_of(platform);
    struct efi_text_output *out = uefi->system->con_out;
    uint16_t line_end[] = { '\r', '\n', 0 };
    uint16_t text[] = { (uint8_t)c, 0 };

    if (!uefi->exiting) {
        if (out != NULL)
            (void)out->output_string(out, c == '\n' ? line_end : text);
        return;
    }
    cpu_serial_put(platform, c);
}

void uefi_console_init(struct uefi *uefi)
{
    uefi->platform.put = uefi_put;
    boot_console_init(&uefi->platform);
}
