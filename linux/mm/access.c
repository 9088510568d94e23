/* Reaching into another address space than the one that the calling thread is attached to. */
#include "mm_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/task.h>

static struct guest_space *space_before(void)
{
    struct task *task = task_self();
    return task == NULL || task->mm == NULL ? NULL : task->mm->space;
}

/* Attached to it: bytes done. */
static uint64_t move(struct mm *mm, uint64_t address, char *memory, uint64_t size_bytes, bool write)
{
    uint64_t done = 0;
    bool again = true;
    while (done < size_bytes) {
        uint64_t left = size_bytes - done;
        size_t missing = write ? guest_copy_out(address + done, memory + done, left)
                               : guest_copy_in(memory + done, address + done, left);
        again = again || missing < left;
        done += left - missing;
        if (missing == 0 || !again || !mm_resolve(mm, address + done, write))
            break;
        again = false;
    }
    return done;
}

static int64_t move_attached(struct mm *mm, uint64_t address, void *memory, uint64_t size_bytes,
                             bool write)
{
    struct guest_space *before = space_before();
    if (before != mm->space && vcpu_attach(vcpu_self(), mm->space) != 0)
        return -EFAULT;
    uint64_t done = move(mm, address, memory, size_bytes, write);
    if (before != mm->space && vcpu_attach(vcpu_self(), before) != 0)
        machine_panic("a thread has lost its address space");
    return done == 0 && size_bytes != 0 ? -EFAULT : (int64_t)done;
}

int64_t mm_read(struct mm *mm, uint64_t address, void *to, uint64_t size_bytes)
{
    return move_attached(mm, address, to, size_bytes, false);
}

/* Pages that lie in the mm's own Memory are made first, so that a lack of it is seen here. */
int64_t mm_write(struct mm *mm, uint64_t address, const void *from, uint64_t size_bytes)
{
    if (size_bytes != 0 && address < GUEST_END && size_bytes <= GUEST_END - address) {
        rt_lock(&mm->lock);
        const struct area *area = mm_find(mm, address);
        uint64_t start = page_down(address);
        uint64_t end = page_up(address + size_bytes);
        int error = 0;
        if (area != NULL && area->own && !area->copied && end <= area->end)
            error = memory_commit(mm->anonymous, start, end - start);
        rt_unlock(&mm->lock);
        if (error != 0)
            return error;
    }
    return move_attached(mm, address, (void *)(uintptr_t)from, size_bytes, true);
}
