/* The machine itself, as an object: what a capability for it allows is in its rights. */
#include <arch/cpu.h>
#include <arch/timer.h>
#include <kernel/audit.h>
#include <kernel/boot_info.h>
#include <kernel/frame.h>
#include <kernel/system.h>
#include <kernel/thread.h>
#include <object_info.h>

static struct object machine;

static void info_of(struct object *object, struct object_info *info)
{
    struct frame_stats frames = frame_stats();
    struct audit_stats audit = audit_stats();
    int64_t boot_time_s = boot_info.boot_time_s;
    uint64_t counter_base;
    uint64_t ns_per_count;
    (void)object;
    arch_clock_scale(&counter_base, &ns_per_count);
    info->detail.system = (struct object_info_system){
        .uptime_ns = clock_now_ns(),
        .cpu_count = cpu_count,
        .frame_count = frames.total,
        .frames_free = frames.free,
        .thread_count = thread_count(),
        .objects_made = object_last_id(),
        .audit_next = audit.next,
        .audit_oldest = audit.oldest,
        .audit_lost = audit.lost,
        .boot_time_s = boot_time_s > 0 ? (uint64_t)boot_time_s : 0,
        .counter_base = counter_base,
        .ns_per_count = ns_per_count,
        .cpu_random = arch_cpu_random(),
    };
}

static const struct object_ops system_ops = { .type = OBJECT_SYSTEM, .info = info_of };

void system_init(void)
{
    object_init(&machine, &system_ops);
}

struct object *system_object(void)
{
    return &machine;
}
