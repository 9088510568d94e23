/* AVL tree with parent links. Knuth, The Art of Computer Programming vol. 3, 6.2.3.
 *
 * After a change at a node, tree_rebalance walks towards the root; it stops as soon as a subtree
 * has the height that it had before, since nothing above can have changed then.
 */
#include <base/tree.h>

enum { LEFT, RIGHT };

static uint32_t node_height(const struct tree_node *node)
{
    return node == NULL ? 0 : node->height;
}

static void node_update(struct tree_node *node)
{
    node->height = 1 + MAX(node_height(node->child[LEFT]), node_height(node->child[RIGHT]));
}

/* Right height minus left height. */
static int node_balance(const struct tree_node *node)
{
    return (int)node_height(node->child[RIGHT]) - (int)node_height(node->child[LEFT]);
}

/* The link that leads to `node`: in its parent, or the root. */
static struct tree_node **node_link(struct tree *tree, struct tree_node *node)
{
    if (node->parent == NULL)
        return &tree->root;
    return &node->parent->child[node->parent->child[RIGHT] == node ? RIGHT : LEFT];
}

/* Put `with` (may be NULL) where `node` is; `node` keeps its own links. */
static void node_replace(struct tree *tree, struct tree_node *node, struct tree_node *with)
{
    *node_link(tree, node) = with;
    if (with != NULL)
        with->parent = node->parent;
}

static void node_adopt(struct tree_node *node, unsigned side, struct tree_node *child)
{
    node->child[side] = child;
    if (child != NULL)
        child->parent = node;
}

/* Lift the child on `side` above `node`; returns it. */
static struct tree_node *node_lift(struct tree *tree, struct tree_node *node, unsigned side)
{
    struct tree_node *top = node->child[side];

    node_replace(tree, node, top);
    node_adopt(node, side, top->child[!side]);
    node_adopt(top, !side, node);
    node_update(node);
    node_update(top);
    return top;
}

/* Make the subtree at `node` balanced, given that both of its subtrees are; returns its new top. */
static struct tree_node *node_rebalance(struct tree *tree, struct tree_node *node)
{
    int balance = node_balance(node);

    if (balance >= -1 && balance <= 1) {
        node_update(node);
        return node;
    }
    unsigned heavy = balance > 0 ? RIGHT : LEFT;
    int lean = node_balance(node->child[heavy]);
    if ((heavy == RIGHT && lean < 0) || (heavy == LEFT && lean > 0))
        node_lift(tree, node->child[heavy], !heavy);
    return node_lift(tree, node, heavy);
}

static void tree_rebalance(struct tree *tree, struct tree_node *node)
{
    while (node != NULL) {
        uint32_t before = node->height;
        node = node_rebalance(tree, node);
        if (node->height == before)
            return;
        node = node->parent;
    }
}

static struct tree_node *node_outermost(struct tree_node *node, unsigned side)
{
    while (node->child[side] != NULL)
        node = node->child[side];
    return node;
}

/* One of the two has a free link to the other's place: `after`, or what comes next. */
void tree_insert_after(struct tree *tree, struct tree_node *after, struct tree_node *node)
{
    struct tree_node *parent = after != NULL ? after : tree->first;
    unsigned side = after != NULL ? RIGHT : LEFT;

    if (after != NULL && after->child[RIGHT] != NULL) {
        parent = node_outermost(after->child[RIGHT], LEFT);
        side = LEFT;
    }
    *node = (struct tree_node){ .parent = parent, .height = 1 };
    *(parent != NULL ? &parent->child[side] : &tree->root) = node;
    if (after == NULL)
        tree->first = node;
    tree_rebalance(tree, parent);
}

void tree_insert(struct tree *tree, struct tree_node *node, tree_before *before)
{
    struct tree_node *parent = NULL;
    struct tree_node **link = &tree->root;
    bool leftmost = true;

    while (*link != NULL) {
        unsigned side = before(node, *link) ? LEFT : RIGHT;
        leftmost = leftmost && side == LEFT;
        parent = *link;
        link = &parent->child[side];
    }
    *node = (struct tree_node){ .parent = parent, .height = 1 };
    *link = node;
    if (leftmost)
        tree->first = node;
    tree_rebalance(tree, parent);
}

/* `node` has two children: its successor, which has no left child, takes its place. Returns the
 * lowest node whose height may have changed.
 */
static struct tree_node *node_exchange(struct tree *tree, struct tree_node *node)
{
    struct tree_node *heir = node_outermost(node->child[RIGHT], LEFT);
    struct tree_node *lowest = heir->parent;

    if (lowest == node) {
        lowest = heir;
    } else {
        node_replace(tree, heir, heir->child[RIGHT]);
        node_adopt(heir, RIGHT, node->child[RIGHT]);
    }
    node_adopt(heir, LEFT, node->child[LEFT]);
    node_replace(tree, node, heir);
    heir->height = node->height;
    return lowest;
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
    struct tree_node *lowest = node->parent;

    if (tree->first == node)
        tree->first = tree_next(node);
    if (node->child[LEFT] != NULL && node->child[RIGHT] != NULL)
        lowest = node_exchange(tree, node);
    else
        node_replace(tree, node, node->child[node->child[LEFT] == NULL ? RIGHT : LEFT]);
    *node = (struct tree_node){ 0 };
    tree_rebalance(tree, lowest);
}

static struct tree_node *node_neighbour(const struct tree_node *node, unsigned side)
{
    if (node->child[side] != NULL)
        return node_outermost(node->child[side], !side);
    while (node->parent != NULL && node->parent->child[side] == node)
        node = node->parent;
    return node->parent;
}

struct tree_node *tree_next(const struct tree_node *node)
{
    return node_neighbour(node, RIGHT);
}

struct tree_node *tree_previous(const struct tree_node *node)
{
    return node_neighbour(node, LEFT);
}

struct tree_node *tree_last(const struct tree *tree)
{
    return tree->root == NULL ? NULL : node_outermost(tree->root, RIGHT);
}

struct tree_node *tree_lower_bound(const struct tree *tree, tree_compare *compare, const void *key)
{
    struct tree_node *best = NULL;
    struct tree_node *node = tree->root;

    while (node != NULL) {
        if (compare(node, key) < 0) {
            node = node->child[RIGHT];
        } else {
            best = node;
            node = node->child[LEFT];
        }
    }
    return best;
}

struct tree_node *tree_floor(const struct tree *tree, tree_compare *compare, const void *key)
{
    struct tree_node *best = NULL;
    struct tree_node *node = tree->root;

    while (node != NULL) {
        if (compare(node, key) > 0) {
            node = node->child[LEFT];
        } else {
            best = node;
            node = node->child[RIGHT];
        }
    }
    return best;
}

static bool node_consistent(const struct tree_node *node)
{
    int balance = node_balance(node);

    for (unsigned side = LEFT; side <= RIGHT; side++) {
        const struct tree_node *child = node->child[side];
        if (child != NULL && child->parent != node)
            return false;
    }
    return balance >= -1 && balance <= 1 &&
           node->height == 1 + MAX(node_height(node->child[LEFT]), node_height(node->child[RIGHT]));
}

bool tree_consistent(const struct tree *tree, tree_before *before)
{
    const struct tree_node *previous = NULL;

    if (tree->root == NULL)
        return tree->first == NULL;
    if (tree->root->parent != NULL || tree->first != node_outermost(tree->root, LEFT))
        return false;
    TREE_FOR_EACH(node, tree)
    {
        if (!node_consistent(node) || (previous != NULL && before(node, previous)))
            return false;
        previous = node;
    }
    return true;
}
