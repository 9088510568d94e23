/* The tree of an object's capabilities looks at itself, for tests. */
#ifdef CONFIG_TESTS
#include "cap_impl.h"
#include <kernel/checks.h>
#include <kernel/panic.h>

void object_check(struct object *object)
{
    uint64_t count = 0;

    spinlock_acquire(&object->lock);
    struct capability *at = NULL;
    struct list *next = object->roots.next;
    for (;;) {
        struct list *head = at != NULL ? &at->children : &object->roots;
        if (next != head) {
            struct capability *child = CONTAINER_OF(next, struct capability, sibling);
            ASSERT(child->parent == at && child->object == object);
            count++;
            at = child;
            next = child->children.next;
        } else if (at != NULL) {
            next = at->sibling.next;
            at = at->parent;
        } else {
            break;
        }
    }
    ASSERT(count == object->capability_count && object->references >= count);
    spinlock_release(&object->lock);
}
#endif
