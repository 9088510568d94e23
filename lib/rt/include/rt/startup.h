/* What this process was given (abi/startup.h): its capabilities by name, and where things are.
 *
 * Set once, before anything else runs, then constant: no locks.
 */
#pragma once

#include <base/status.h>
#include <startup.h>
#include <stdint.h>

/* Take the block that the first thread was started with. ERR_FORMAT if it is none. */
enum status rt_startup_set(const struct startup *startup);
const struct startup *rt_startup(void);

/* The capability of that name, NULL if there is none. */
const struct startup_capability *rt_capability(const char *name);
/* Its handle; 0, which names nothing, if there is none. */
uint64_t rt_handle(const char *name);

/* The two that every system call of this library needs, looked up once. */
uint64_t rt_process(void);
uint64_t rt_budget(void);
