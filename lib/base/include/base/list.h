/* An intrusive, circular, doubly linked list. A node that is on no list is linked to itself, so
 * list_remove is safe to repeat and list_linked tells the truth.
 */
#pragma once

#include <base/compiler.h>
#include <stdbool.h>

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool list_empty(const struct list *list)
{
    return list->next == list;
}

static inline bool list_linked(const struct list *node)
{
    return node->next != node;
}

static inline void list_insert_after(struct list *at, struct list *node)
{
    struct list *next = at->next;
    node->prev = at;
    node->next = next;
    next->prev = node;
    at->next = node;
}

static inline void list_push_front(struct list *list, struct list *node)
{
    list_insert_after(list, node);
}

static inline void list_push_back(struct list *list, struct list *node)
{
    list_insert_after(list->prev, node);
}

static inline void list_remove(struct list *node)
{
    struct list *next = node->next;
    struct list *prev = node->prev;
    prev->next = next;
    next->prev = prev;
    list_init(node);
}

/* The first node, unlinked; NULL if there is none. */
static inline struct list *list_pop_front(struct list *list)
{
    struct list *node = list->next;
    if (node == list)
        return NULL;
    list_remove(node);
    return node;
}

/* The first node of a list that has one, which is not linked to itself then: for who asks neither.
 */
static inline void list_drop_front(struct list *list)
{
    struct list *second = list->next->next;
    list->next = second;
    second->prev = list;
}

/* The body may not remove `node`. */
#define LIST_FOR_EACH(node, head)                                                                  \
    for (struct list *node = (head)->next; node != (head); node = node->next)

/* The body may remove `node`, but no other. */
#define LIST_FOR_EACH_SAFE(node, head)                                                             \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head);              \
         node = node##_next, node##_next = node->next)
