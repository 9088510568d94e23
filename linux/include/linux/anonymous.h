/* Nodes without a name, for what has a descriptor only: pipes, sockets, events. */
#pragma once

#include <linux/node.h>

/* `mode` with its type; owned by the caller (root where there is none). -ENOMEM. */
int anonymous_node(uint32_t mode, struct node **node_out);
/* The same with an `open` of its own, for what /proc/PID/fd can open again. */
int anonymous_node_with(const struct node_ops *ops, uint32_t mode, struct node **node_out);
/* For such operations. */
int anonymous_set(struct node *node, const struct node_attributes *attributes, unsigned which);
void anonymous_free(struct node *node);
/* "KIND:[17]", with the inode: for file_ops.describe. */
int64_t anonymous_text(const char *kind, const struct file *file, char *to, size_t size_bytes);
