/* Faults that the kernel left to us, copies that failed, and the end of memory. */
#include "mm_impl.h"
#include <base/status.h>
#include <linux/abi/errno.h>
#include <linux/abi/signal.h>
#include <linux/limits.h>
#include <linux/task.h>

enum {
    FAULT_READ = 1,
    FAULT_WRITE = 2,
    FAULT_EXECUTE = 4,
    TRIES_MAX = 64,             /* for the lock, by a copy */
    OOM_PAUSE_NS = 1000 * 1000, /* for who was ended to give its memory back */
};

/* ---- Out of memory ---- */

uint64_t mm_resident(struct mm *mm)
{
    uint64_t bytes = memory_resident(mm->anonymous);
    rt_lock(&mm->lock);
    for (struct area *area = mm_find_above(mm, 0); area != NULL; area = area_next(area))
        bytes += area->copied ? area->end - area->start : 0;
    rt_unlock(&mm->lock);
    return bytes;
}

static uint64_t process_resident(struct process *process)
{
    struct task *task = task_find(process->pid);
    struct mm *mm = task == NULL ? NULL : task_mm(task);
    uint64_t bytes = mm == NULL ? 0 : mm_resident(mm);
    mm_put(mm);
    if (task != NULL)
        task_put(task);
    return bytes;
}

/* What it has, and for each point of oom_score_adj a thousandth of all there is on top or off:
 * proc(5). */
static int64_t process_weight(struct process *process)
{
    int64_t part = (int64_t)(container_memory_bytes() / 1000);
    int64_t adjust = __atomic_load_n(&process->oom_score_adj, __ATOMIC_RELAXED);
    return (int64_t)process_resident(process) + adjust * part;
}

/* The process that weighs most; counted. */
static struct process *largest_process(void)
{
    struct process *largest = NULL;
    int64_t most = 0;
    for (int32_t pid = process_next(0); pid != 0; pid = process_next(pid)) {
        struct process *process = process_find(pid);
        if (process == NULL)
            continue;
        int64_t weight = process_weight(process);
        if (largest != NULL && weight <= most) {
            process_put(process);
            continue;
        }
        if (largest != NULL)
            process_put(largest);
        largest = process;
        most = weight;
    }
    return largest;
}

/* As Linux's last resort. No lock is held. Afterwards there is memory, sooner or later. */
static void end_the_largest(void)
{
    static struct rt_lock one_at_a_time;
    static uint32_t never;
    rt_lock(&one_at_a_time);
    struct process *process = largest_process();
    if (process != NULL) {
        machine_log("out of memory: process %d is ended", process->pid);
        process_kill(process, SIGKILL_STATUS);
        process_put(process);
    }
    machine_wait(&never, 0, machine_now_ns() + OOM_PAUSE_NS);
    rt_unlock(&one_at_a_time);
}

static bool is_shortage(uint64_t status)
{
    return status == ERR_LIMIT || status == ERR_NO_MEMORY;
}

/* ---- Faults ---- */

static uint32_t needed(uint64_t access)
{
    if (access == FAULT_WRITE)
        return PROT_WRITE;
    return access == FAULT_EXECUTE ? PROT_EXEC : PROT_READ | PROT_WRITE | PROT_EXEC;
}

/* The end of a stack, of which a fork may have made several areas. */
static uint64_t stack_end(const struct area *area)
{
    uint64_t end = area->end;
    while ((area = area_next(area)) != NULL && area->start == end &&
           (area->flags & MAP_GROWSDOWN) != 0)
        end = area->end;
    return end;
}

/* A stack grows towards the access, up to its limit and not near what lies below. What it gains is
 * the mm's own, whatever a fork made of the rest. */
static struct area *grow(struct mm *mm, uint64_t address)
{
    enum { GUARD_PAGES = 256 };
    const struct area *area = mm_find_above(mm, address);
    if (area == NULL || (area->flags & MAP_GROWSDOWN) == 0)
        return NULL;
    uint64_t start = page_down(address);
    uint64_t guard = (uint64_t)GUARD_PAGES * MACHINE_PAGE;
    uint64_t from = start > guard ? start - guard : 0;
    struct area like = *area;
    like.copied = false;
    if (start < MMAP_LOWEST || stack_end(area) - start > resource_limit(RLIMIT_STACK) ||
        !space_free(mm, from, area->start) ||
        map_locked(mm, start, area->start - start, &like, MAP_FIXED) < 0)
        return NULL;
    return mm_find(mm, address);
}

/* Its own pages, or a Memory: the kernel brings them, once the rights are those of the access. */
static int settle_rights(struct area *area, uint64_t address, uint64_t access)
{
    uint64_t page = page_down(address);
    uint32_t rights = access_of_area(area, access == FAULT_EXECUTE);
    return guest_space_protect(area->mm->space, page, MACHINE_PAGE, rights);
}

static int fault_own_file(struct area *area, uint64_t address)
{
    uint64_t start = MAX(ALIGN_DOWN(address, (uint64_t)OWN_BYTES), area->start);
    uint64_t end = MIN(ALIGN_DOWN(address, (uint64_t)OWN_BYTES) + OWN_BYTES, area->end);
    return area_own(area->mm, start, end);
}

/* -ENXIO: the file has nothing there. */
static int fault_file(struct area *area, uint64_t address, uint64_t access)
{
    uint64_t page = page_down(address);
    uint64_t end = MIN(area->end, page + FILE_BYTES);
    if (area->file->node != NULL) {
        struct node_attributes attributes;
        int error = node_attributes(area->file->node, &attributes);
        if (error != 0)
            return error;
        if (area->offset + (page - area->start) >= attributes.size_bytes)
            return -ENXIO;
    }
    if (access == FAULT_WRITE && !area_shared(area))
        return fault_own_file(area, address);
    int error = area_show_file(area, page, end, 1);
    if (error == 0 && access == FAULT_EXECUTE && (area->protection & PROT_WRITE) != 0)
        error = settle_rights(area, address, access);
    return error;
}

/* 0, -EFAULT: there is nothing; -EACCES: not allowed; -ENXIO: beyond the file; -ENOMEM. */
static int resolve_locked(struct mm *mm, uint64_t address, uint64_t access)
{
    struct area *area = mm_find(mm, address);
    if (area == NULL)
        area = grow(mm, address);
    if (area == NULL)
        return -EFAULT;
    if ((area->protection & needed(access)) == 0)
        return -EACCES;
    if (area_shows_file(area))
        return fault_file(area, address, access);
    return settle_rights(area, address, access);
}

static int signal_of(int error, uint64_t address, struct fault_signal *signal_out)
{
    *signal_out = (struct fault_signal){ .number = SIGSEGV, .address = address };
    switch (error) {
    case 0:
        return 0;
    case -EFAULT:
        signal_out->code = SEGV_MAPERR;
        return error;
    case -EACCES:
        signal_out->code = SEGV_ACCERR;
        return error;
    default:
        signal_out->number = SIGBUS;
        signal_out->code = BUS_ADRERR;
        return error;
    }
}

int mm_fault(struct mm *mm, const struct guest_fault *fault, struct fault_signal *signal_out)
{
    if (is_shortage(fault->status)) {
        end_the_largest();
        return 0;
    }
    if (fault->address >= GUEST_END)
        return signal_of(-EFAULT, fault->address, signal_out);
    rt_lock(&mm->lock);
    int error = resolve_locked(mm, fault->address, fault->access);
    rt_unlock(&mm->lock);
    if (error != -ENOMEM && error != -ENOSPC)
        return signal_of(error, fault->address, signal_out);
    end_the_largest();
    return 0;
}

/* ---- Copies ---- */

static bool try_lock(struct rt_lock *lock)
{
    static uint32_t never;
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        if (rt_try_lock(lock))
            return true;
        machine_wait(&never, 0, machine_now_ns() + OOM_PAUSE_NS / 20);
    }
    return false;
}

bool mm_resolve(struct mm *mm, uint64_t address, bool write) NO_LOCK_ANALYSIS
{
    if (mm == NULL || address >= GUEST_END || !try_lock(&mm->lock))
        return false;
    int error = resolve_locked(mm, address, write ? FAULT_WRITE : FAULT_READ);
    rt_unlock(&mm->lock);
    return error == 0;
}

/* Not more than a copy can move, and one look for each area. */
void mm_prepare(struct mm *mm, uint64_t address, uint64_t size_bytes)
{
    uint64_t end = address + size_bytes;
    rt_lock(&mm->lock);
    for (uint64_t at = address; at < end;) {
        struct area *area = mm_find_above(mm, at);
        if (area == NULL || area->start >= end)
            break;
        at = MAX(at, area->start);
        uint64_t step = area->end;
        if (area_shows_file(area)) {
            bool write = (area->protection & PROT_WRITE) != 0;
            bool own = write && !area_shared(area);
            step = ALIGN_DOWN(at, (uint64_t)(own ? OWN_BYTES : FILE_BYTES)) +
                   (own ? OWN_BYTES : FILE_BYTES);
            if (resolve_locked(mm, at, write ? FAULT_WRITE : FAULT_READ) != 0)
                break;
        }
        at = step;
    }
    rt_unlock(&mm->lock);
}
