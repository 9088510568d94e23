/* The tree against a sorted array, and the order of equal keys. */
#include <base/test.h>
#include <base/tree.h>

enum { NODE_COUNT = 128, KEY_LIMIT = 64, STEP_COUNT = 4000 };

struct item {
    struct tree_node node;
    unsigned key;
    unsigned stamp; /* order of insertion */
};

static struct item *item_of(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct item, node);
}

static bool item_before(const struct tree_node *a, const struct tree_node *b)
{
    return item_of(a)->key < item_of(b)->key;
}

static int item_compare(const struct tree_node *node, const void *key)
{
    unsigned mine = item_of(node)->key;
    unsigned theirs = *(const unsigned *)key;
    return mine < theirs ? -1 : mine > theirs;
}

struct model {
    struct tree tree;
    struct item item[NODE_COUNT];
    struct item *sorted[NODE_COUNT];
    size_t count;
    unsigned stamp;
};

static void model_insert(struct model *m, struct item *item, unsigned key)
{
    size_t at = m->count++;

    item->key = key;
    item->stamp = m->stamp++;
    while (at > 0 && m->sorted[at - 1]->key > key) {
        m->sorted[at] = m->sorted[at - 1];
        at--;
    }
    if (item->stamp % 2 == 0)
        tree_insert(&m->tree, &item->node, item_before);
    else
        tree_insert_after(&m->tree, at > 0 ? &m->sorted[at - 1]->node : NULL, &item->node);
    m->sorted[at] = item;
}

static void model_remove(struct model *m, struct item *item)
{
    size_t at = 0;

    while (m->sorted[at] != item)
        at++;
    m->count--;
    for (; at < m->count; at++)
        m->sorted[at] = m->sorted[at + 1];
    tree_remove(&m->tree, &item->node);
}

static void model_compare_order(const struct model *m)
{
    size_t at = 0;

    EXPECT(tree_consistent(&m->tree, item_before));
    TREE_FOR_EACH(node, &m->tree)
    {
        EXPECT(at < m->count && item_of(node) == m->sorted[at]);
        EXPECT(tree_previous(node) == (at == 0 ? NULL : &m->sorted[at - 1]->node));
        at++;
    }
    EXPECT_EQ(at, m->count);
    EXPECT(tree_last(&m->tree) == (m->count == 0 ? NULL : &m->sorted[m->count - 1]->node));
}

static void model_compare_search(const struct model *m, unsigned key)
{
    const struct tree_node *bound = NULL;
    const struct tree_node *floor = NULL;

    for (size_t i = m->count; i > 0 && m->sorted[i - 1]->key >= key; i--)
        bound = &m->sorted[i - 1]->node;
    for (size_t i = 0; i < m->count && m->sorted[i]->key <= key; i++)
        floor = &m->sorted[i]->node;
    EXPECT(tree_lower_bound(&m->tree, item_compare, &key) == bound);
    EXPECT(tree_floor(&m->tree, item_compare, &key) == floor);
}

static struct model model;

TEST(agrees_with_a_sorted_array)
{
    uint64_t random = test_seed();

    model = (struct model){ 0 };
    for (unsigned step = 0; step < STEP_COUNT; step++) {
        struct item *item = &model.item[test_random(&random) % NODE_COUNT];
        if (tree_linked(&item->node))
            model_remove(&model, item);
        else
            model_insert(&model, item, (unsigned)(test_random(&random) % KEY_LIMIT));
        EXPECT_EQ(tree_empty(&model.tree), model.count == 0);
        if (step % 8 == 0)
            model_compare_order(&model);
        model_compare_search(&model, (unsigned)(test_random(&random) % (KEY_LIMIT + 1)));
    }
}

TEST(keeps_equal_keys_in_order_of_insertion)
{
    model = (struct model){ 0 };
    for (unsigned i = 0; i < NODE_COUNT; i++)
        model_insert(&model, &model.item[i], i % 3);
    model_compare_order(&model);
    for (size_t i = 1; i < model.count; i++) {
        const struct item *previous = model.sorted[i - 1];
        EXPECT(previous->key < model.sorted[i]->key || previous->stamp < model.sorted[i]->stamp);
    }
}

TEST(stays_low_when_fed_in_order)
{
    model = (struct model){ 0 };
    for (unsigned i = 0; i < NODE_COUNT; i++)
        model_insert(&model, &model.item[i], i);
    EXPECT(model.tree.root->height <= 8);
    model_compare_order(&model);
    while (model.count > 0)
        model_remove(&model, model.sorted[0]);
    EXPECT(tree_empty(&model.tree) && tree_first(&model.tree) == NULL);
    EXPECT(tree_last(&model.tree) == NULL);
}
