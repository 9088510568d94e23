#include <base/compiler.h>
#include <clock_page.h>
#include <rt/clock.h>
#include <rt_arch/cpu.h>
#include <stdbool.h>

#define NS_PER_S ((uint64_t)1000000000)

static const volatile struct clock_page *page;

void clock_page_set(const volatile struct clock_page *new_page)
{
    page = new_page != NULL && new_page->version == CLOCK_PAGE_VERSION ? new_page : NULL;
}

uint64_t clock_now_ns(void)
{
    if (page == NULL)
        return 0;
    uint64_t count = rt_cpu_counter() - page->counter_base;
    return (uint64_t)(((unsigned __int128)count * page->ns_per_count) >> 32);
}

/* The writer may be in the middle, but never for long. */
static uint64_t time_of_day_at_boot_ns(void)
{
    for (;;) {
        uint32_t before = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);
        uint64_t time_ns = page->time_of_day_s * NS_PER_S + page->time_of_day_ns;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (before % 2 == 0 && before == page->sequence)
            return time_ns;
        rt_cpu_relax();
    }
}

enum status clock_time_of_day_ns(uint64_t *time_ns_out)
{
    uint64_t boot_ns = page == NULL ? 0 : time_of_day_at_boot_ns();
    if (boot_ns == 0)
        return ERR_UNSUPPORTED;
    *time_ns_out = boot_ns + clock_now_ns();
    return OK;
}

uint64_t clock_deadline(uint64_t after_ns)
{
    uint64_t now_ns = clock_now_ns();
    return after_ns >= DEADLINE_NEVER - now_ns ? DEADLINE_NEVER : now_ns + after_ns;
}
