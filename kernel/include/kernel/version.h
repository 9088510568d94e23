/* What this kernel is. */
#pragma once

extern const char kernel_version[]; /* from the file VERSION */
extern const char kernel_flavour[]; /* "debug", "bench" or "release" */
