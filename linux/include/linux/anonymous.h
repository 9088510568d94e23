/* Nodes without a name, for what has a descriptor only: pipes, sockets, events. */
#pragma once

#include <linux/node.h>

/* `mode` with its type; owned by the caller (root where there is none). -ENOMEM. */
int anonymous_node(uint32_t mode, struct node **node_out);
/* "KIND:[17]", with the inode: for file_ops.describe. */
int64_t anonymous_text(const char *kind, const struct file *file, char *to, size_t size_bytes);
