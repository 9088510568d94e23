/* The first program: a flat image inside the kernel, the only user code that the kernel starts by
 * itself. It gets the boot module mapped read-only and the log capability; everything else is up to
 * it.
 */
#pragma once

#include <base/status.h>

struct boot_info;

enum status bootstrap_start(const struct boot_info *info);
