/* The object of type SYSTEM: there is one, and it never goes. */
#pragma once

#include <kernel/object.h>

/* Once, before anybody asks for it. */
void system_init(void);
struct object *system_object(void);
