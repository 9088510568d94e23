/* From the relocated program (lib/rt/relocate.c) to linux_main, and what the personality has of the
 * system for itself: budgets, randomness, the log.
 */
#include <base/compiler.h>
#include <base/fmt.h>
#include <base/object_type.h>
#include <clock_page.h>
#include <object_info.h>
#include <rt/clock.h>
#include <rt/lock.h>
#include <rt/log.h>
#include <rt/random.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <rt_arch/cpu.h>
#include <stdarg.h>

#include "native_impl.h"

/* The part of the memory that is the personality's own: an eighth, within bounds. */
#define RESERVE_SHARE     8
#define RESERVE_BYTES_MIN ((uint64_t)4 << 20)
#define RESERVE_BYTES_MAX ((uint64_t)64 << 20)

static uint64_t guest_budget;
static uint64_t guest_limit_bytes = UINT64_MAX;
static struct rt_lock reserve_lock;
static unsigned reserve_users; /* reserve_lock */

/* lib/rt/arch calls it. */
_Noreturn void rt_start(const struct startup *startup);

uint64_t native_guest_budget(void)
{
    return guest_budget;
}

static uint64_t reserve_of(uint64_t limit_bytes)
{
    uint64_t share = limit_bytes / RESERVE_SHARE;
    return MIN(MAX(share, RESERVE_BYTES_MIN), RESERVE_BYTES_MAX);
}

static void make_guest_budget(void)
{
    struct object_info info;
    if (object_create(rt_budget(), OBJECT_BUDGET, &guest_budget) != OK ||
        object_info(rt_budget(), &info, sizeof(info)) != OK)
        machine_panic("no budget for guests");
    uint64_t limit_bytes = info.detail.budget.limit[0];
    if (limit_bytes == UINT64_MAX)
        return;
    uint64_t taken = info.detail.budget.used[0] + reserve_of(limit_bytes);
    if (taken >= limit_bytes)
        machine_panic("the container's memory is too small");
    guest_limit_bytes = limit_bytes - taken;
    native_reserve(false);
}

static void limit_guests(uint64_t bytes)
{
    if (budget_limit(guest_budget, LIMIT_KIND_MEMORY, bytes, UINT64_MAX) != OK)
        machine_panic("the guests' memory cannot be limited");
}

void native_reserve(bool open)
{
    rt_lock(&reserve_lock);
    if (open && reserve_users++ == 0)
        limit_guests(UINT64_MAX);
    else if (!open && (reserve_users == 0 || --reserve_users == 0))
        limit_guests(guest_limit_bytes);
    rt_unlock(&reserve_lock);
}

_Noreturn void rt_start(const struct startup *startup)
{
    if (rt_startup_set(startup) != OK)
        rt_cpu_trap();
    clock_page_set((const volatile struct clock_page *)startup->clock_at);
    rt_random_stir(startup->seed);
    native_threads_init();
    native_first_thread();
    native_heap_init();
    native_windows_init();
    make_guest_budget();
    linux_main();
}

bool machine_vdso(struct machine_vdso *vdso_out)
{
    extern const char native_vdso_image[];
    extern const char native_vdso_image_end[];
    const volatile struct clock_page *page =
        (const volatile struct clock_page *)rt_startup()->clock_at;
    if (page == NULL || page->version != CLOCK_PAGE_VERSION)
        return false;
    *vdso_out = (struct machine_vdso){
        .image = native_vdso_image,
        .size_bytes = (size_t)(native_vdso_image_end - native_vdso_image),
        .counter_base = page->counter_base,
        .ns_per_count = page->ns_per_count,
    };
    return true;
}

void machine_random(void *to, size_t size_bytes)
{
    rt_random_bytes(to, size_bytes);
}

static void (*log_sink)(const char *text, size_t length);

void machine_set_log(void (*sink)(const char *text, size_t length))
{
    log_sink = sink;
}

static void say(const char *text, size_t length)
{
    if (log_sink != NULL)
        log_sink(text, length);
}

void machine_log(const char *format, ...)
{
    char line[LOG_LINE_MAX + 1];
    va_list args;
    va_start(args, format);
    size_t length = format_args(line, sizeof(line), format, args);
    va_end(args);
    say(line, MIN(length, sizeof(line) - 1));
}

_Noreturn void machine_panic(const char *format, ...)
{
    char line[LOG_LINE_MAX + 1];
    va_list args;
    va_start(args, format);
    size_t length = format_args(line, sizeof(line), format, args);
    va_end(args);
    say(line, MIN(length, sizeof(line) - 1));
    rt_cpu_trap();
}
