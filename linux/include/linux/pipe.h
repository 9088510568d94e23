/* Pipes, as others use them. */
#pragma once

#include <linux/file.h>

enum { PIPE_BYTES = 65536 };

/* The side to read from and the one to write to, with `flags` (O_NONBLOCK). -ENOMEM. */
int pipe_pair(uint32_t flags, struct file *side_out[2]);
/* A named pipe is opened: for fifo_register. */
int fifo_open_node(struct node *node, struct file *file);
