/* Objects of the machine: made once, named by capabilities, paid for by nobody, and never gone. */
#pragma once

#include <kernel/object.h>
#include <kernel/panic.h>

static inline void machine_object_destroy(struct object *object)
{
    panic("object %llu of the machine was given up", (unsigned long long)object->id);
}

static inline void machine_object_init(struct object *object, enum object_type type,
                                       const struct object_ops *ops)
{
    enum status status = object_init(object, type, ops, NULL, 0);

    ASSERT(status == OK); /* what costs nothing cannot fail */
}
