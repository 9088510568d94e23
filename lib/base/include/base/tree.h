/* An intrusive balanced binary search tree (AVL: the heights of two siblings differ by at most
 * one).
 *
 * The caller keeps the order: every insertion passes the same comparison, and the keys of linked
 * nodes do not change. Nodes that compare equal stay in order of insertion. A zeroed tree is empty
 * and a zeroed node is on no tree, so neither needs more than that to begin with.
 *
 * Cost: at most 1.44 log2(n) steps for anything but tree_first, which is one load.
 */
#pragma once

#include <base/compiler.h>
#include <stdbool.h>

struct tree_node {
    struct tree_node *child[2]; /* left: what comes before, right: what comes after */
    struct tree_node *parent;
    uint32_t height; /* 0: on no tree; 1: a leaf */
};

struct tree {
    struct tree_node *root;
    struct tree_node *first;
};

/* True if `a` belongs before `b`. */
typedef bool tree_before(const struct tree_node *a, const struct tree_node *b);
/* Below zero, zero, above zero: the node comes before, at, or after the key. */
typedef int tree_compare(const struct tree_node *node, const void *key);

static inline void tree_init(struct tree *tree)
{
    tree->root = NULL;
    tree->first = NULL;
}

static inline void tree_node_init(struct tree_node *node)
{
    node->height = 0;
}

static inline bool tree_empty(const struct tree *tree)
{
    return tree->root == NULL;
}

static inline bool tree_linked(const struct tree_node *node)
{
    return node->height != 0;
}

/* NULL if the tree is empty. */
static inline struct tree_node *tree_first(const struct tree *tree)
{
    return tree->first;
}

void tree_insert(struct tree *tree, struct tree_node *node, tree_before *before);
/* The same for who knows the place: right after `after`, or before all others if that is NULL. */
void tree_insert_after(struct tree *tree, struct tree_node *after, struct tree_node *node);
/* `node` must be on `tree`. */
void tree_remove(struct tree *tree, struct tree_node *node);
/* The neighbour in order, or NULL. */
struct tree_node *tree_next(const struct tree_node *node);
struct tree_node *tree_previous(const struct tree_node *node);
struct tree_node *tree_last(const struct tree *tree);

/* The first node that does not come before the key, or NULL. */
struct tree_node *tree_lower_bound(const struct tree *tree, tree_compare *compare, const void *key);
/* The last node that does not come after the key, or NULL. */
struct tree_node *tree_floor(const struct tree *tree, tree_compare *compare, const void *key);

/* For tests: links, heights and balance are what they should be. */
bool tree_consistent(const struct tree *tree, tree_before *before);

/* The body may not remove `node`. */
#define TREE_FOR_EACH(node, tree)                                                                  \
    for (struct tree_node *node = tree_first(tree); node != NULL; node = tree_next(node))
