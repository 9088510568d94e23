/* The loader's voice: silent while all goes well, one line when it does not. */

#include <base/fmt.h>
#include <base/string.h>
#include <boot/arch.h>
#include <boot/console.h>
#include <boot/platform.h>

#include <stdarg.h>

static struct boot_platform *console;
static bool end_emulator; /* a failure also ends the emulator: `exit=emulator` was seen */

static void console_write(const char *text)
{
    if (console == NULL || console->put == NULL)
        return;
    for (; *text != 0; text++)
        console->put(console, *text);
}

void boot_console_init(struct boot_platform *platform)
{
    console = platform;
    end_emulator = false;
    boot_console_options(platform->cmdline);
}

/* A whole word only: a path that contains it must not end anything. */
void boot_console_options(const char *cmdline)
{
    static const char word[] = "exit=emulator";
    size_t length = sizeof(word) - 1;

    for (const char *at = cmdline; at != NULL && *at != 0; at = strchr(at, ' ')) {
        while (*at == ' ')
            at++;
        if (strncmp(at, word, length) == 0 && (at[length] == 0 || at[length] == ' '))
            end_emulator = true;
    }
}

void boot_fail(const char *format, ...)
{
    char line[256];
    va_list args;

    va_start(args, format);
    format_args(line, sizeof(line), format, args);
    va_end(args);

    console_write("themelios-boot: ");
    console_write(line);
    console_write("\n");
    if (end_emulator)
        arch_exit_emulator(BOOT_EXIT_FAILED);
    arch_stop();
}
