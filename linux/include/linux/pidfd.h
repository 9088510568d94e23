/* Descriptors of processes. pidfd_open(2). */
#pragma once

#include <stdint.h>

struct process;

/* A descriptor for it (O_NONBLOCK or 0), closed by execve; or an error. */
int pidfd_install(struct process *process, uint32_t flags);
/* The process of one of the caller's, counted, and (unless NULL) the descriptor's own flags;
 * -EBADF. */
int pidfd_process(int fd, struct process **process_out, uint32_t *flags_out);
