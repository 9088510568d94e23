#include <abi_syscalls.h>
#include <base/string.h>
#include <clock_page.h>
#include <first_program.h>
#include <object_info.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/serve.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <rt_arch/cpu.h>
#include <stdlib.h>

#include "init.h"

/* Where init sees the clock page that it writes. */
#define CLOCK_AT ((uint64_t)0x2f0000000000)

static struct init init;

/* Nothing runs without it, so whatever goes wrong here is said and ends everything. */
static void must(enum status status, const char *what)
{
    if (status == OK)
        return;
    rt_log("init: cannot go on: %s: %s", what, status_text(status));
    exit(1);
}

/* ---- What was given ---- */

static void open_image(void)
{
    struct object_info info;
    init.image = rt_handle("image");
    must(object_info(init.image, &info, sizeof(info)), "the system image");
    uint64_t size = info.detail.memory.size_bytes;
    must(erofs_open(&init.fs, (const void *)(uintptr_t)SYSTEM_IMAGE_AT, size), "the system image");
}

/* The program that we come from has nothing left to do; its memory is ours to give back. */
static void end_bootstrap(void)
{
    must(unmap(rt_process(), FIRST_PROGRAM_AT, FIRST_PROGRAM_SPAN), "the first program");
    must(unmap(rt_process(), FIRST_STACK_TOP - FIRST_STACK_BYTES, FIRST_STACK_BYTES),
         "the first program");
}

/* ---- What everybody shares ---- */

static void make_clock(const struct object_info *machine)
{
    struct clock_page *page = (struct clock_page *)(uintptr_t)CLOCK_AT;
    must(memory_create(rt_budget(), CLOCK_PAGE_BYTES, 0, 0, 0, &init.clock), "the clock page");
    must(map(rt_process(), init.clock, CLOCK_AT, 0, CLOCK_PAGE_BYTES, ACCESS_READ | ACCESS_WRITE),
         "the clock page");
    page->counter_base = machine->detail.system.counter_base;
    page->ns_per_count = machine->detail.system.ns_per_count;
    page->time_of_day_s = machine->detail.system.boot_time_s;
    page->cpu_count = machine->detail.system.cpu_count;
    page->version = CLOCK_PAGE_VERSION;
    clock_page_set(page);
}

/* Without a source addresses can be guessed, and programs get no seed. */
static void make_random(const struct object_info *machine)
{
    uint64_t word[RANDOM_SEED_BYTES / 8] = { rt_cpu_counter() };
    uint8_t seed[RANDOM_SEED_BYTES];
    init.random_present = machine->detail.system.cpu_random != 0;
    for (size_t i = 0; i < RANDOM_SEED_BYTES / 8 && init.random_present; i++)
        init.random_present = rt_cpu_random(&word[i]);
    if (!init.random_present)
        rt_log("init: this machine has no source of random numbers");
    memcpy(seed, word, sizeof(seed));
    random_stir(&init.random, seed);
}

static void read_manifest(void)
{
    static char text[MANIFEST_BYTES_MAX + 1];
    struct erofs_inode inode;
    size_t length;
    must(erofs_find(&init.fs, "system/system.conf", &inode), "system/system.conf");
    must(erofs_read(&init.fs, &inode, 0, text, sizeof(text), &length), "system/system.conf");
    enum status status = manifest_read(&init.manifest, text, length);
    if (status != OK)
        rt_log("init: system.conf:%u: %s", init.manifest.error_line, init.manifest.error);
    must(status, "system/system.conf");
}

static void make_endpoints(void)
{
    must(object_create(rt_budget(), OBJECT_ENDPOINT, &init.endpoint), "an endpoint");
    must(object_create(rt_budget(), OBJECT_NOTIFICATION, &init.notification), "a notification");
    must(object_bind(init.endpoint, init.notification, UINT64_MAX), "a notification");
    for (unsigned i = 0; i < init.manifest.serve_count; i++)
        must(object_create(rt_budget(), OBJECT_ENDPOINT, &init.serve[i]), "an endpoint");
}

int main(void)
{
    struct object_info machine;
    init.system = rt_handle("system");
    must(object_info(init.system, &machine, sizeof(machine)), "the machine");
    authority_print_own();
    end_bootstrap();
    make_clock(&machine);
    make_random(&machine);
    open_image();
    read_manifest();
    make_endpoints();
    rt_log("init: the manifest names %u services", init.manifest.service_count);
    supervise_start(&init);
    struct rt_server server = {
        .endpoint = init.endpoint,
        .context = &init,
        .serve = supervise_message,
        .signal = supervise_signal,
        .deadline = supervise_deadline,
        .late = supervise_late,
    };
    must(rt_serve(&server), "serving");
    return 1;
}
