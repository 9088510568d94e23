/* The machine itself, as an object: what a capability for it allows is in its rights. */
#include <kernel/cspace.h>
#include <kernel/panic.h>
#include <kernel/system.h>

static struct object machine;

static void destroy(struct object *object)
{
    (void)object;
    ASSERT_UNREACHABLE(); /* the kernel's own reference stays */
}

static const struct object_ops system_ops = { .destroy = destroy };

void system_init(void)
{
    /* Nobody pays, so it cannot fail. */
    (void)object_init(&machine, OBJECT_SYSTEM, &system_ops, NULL, 0);
}

struct object *system_object(void)
{
    return &machine;
}
