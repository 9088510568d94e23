/* From the relocated program (lib/rt/relocate.c) to main: take the start-up block, hand musl what
 * it expects to find on the stack of a new program.
 */
#include <base/compiler.h>
#include <elf.h>
#include <rt/clock.h>
#include <rt/random.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <rt_arch/cpu.h>
#include <rt_arch/elf.h>
#include <string.h>

/* lib/rt/arch calls it. */
_Noreturn void rt_start(const struct startup *startup);

/* musl's, and the program's. */
int __libc_start_main(int (*main_function)(int, char **, char **), int count, char **words,
                      void (*start)(void), void (*end)(void), void (*loader)(void));
int main(int count, char **words, char **environment);

/* What relocation wrote and nobody writes again (PT_GNU_RELRO; the linker gives it whole pages). */
static void protect_relocated(const struct startup *startup)
{
    const Elf64_Phdr *header = (const Elf64_Phdr *)startup->program_headers_at;
    for (uint32_t i = 0; i < startup->program_header_count && header != NULL; i++) {
        if (header[i].p_type != PT_GNU_RELRO)
            continue;
        uint64_t at = startup->program_base + header[i].p_vaddr;
        uint64_t end = at + header[i].p_memsz;
        if ((at | end) % RT_PAGE_BYTES != 0 ||
            protect(rt_process(), at, end - at, ACCESS_READ) != OK)
            rt_cpu_trap();
    }
}

/* What Linux puts on the stack: the words, the environment, and the auxiliary vector. */
struct start_stack {
    char *word[2];
    char *environment[1];
    uint64_t auxiliary[2 * 8];
};

static struct start_stack start_stack;
static char name[STARTUP_NAME_BYTES];
static uint8_t random_bytes[16];

static void auxiliary(const struct startup *startup)
{
    const uint64_t vector[] = {
        AT_PHDR,   startup->program_headers_at,   AT_PHENT,  sizeof(Elf64_Phdr),
        AT_PHNUM,  startup->program_header_count, AT_PAGESZ, RT_PAGE_BYTES,
        AT_RANDOM, (uint64_t)random_bytes,        AT_NULL,   0,
    };
    static_assert(sizeof(vector) <= sizeof(start_stack.auxiliary), "room for the vector");
    memcpy(start_stack.auxiliary, vector, sizeof(vector));
}

_Noreturn void rt_start(const struct startup *startup)
{
    if (rt_startup_set(startup) != OK)
        rt_cpu_trap();
    protect_relocated(startup);
    clock_page_set((const volatile struct clock_page *)startup->clock_at);
    rt_random_stir(startup->seed);
    rt_random_bytes(random_bytes, sizeof(random_bytes));
    memcpy(name, startup->name, sizeof(name) - 1);
    start_stack.word[0] = name;
    auxiliary(startup);
    __libc_start_main(main, 1, start_stack.word, NULL, NULL, NULL);
    rt_cpu_trap();
}
