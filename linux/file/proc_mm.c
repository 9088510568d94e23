/* What /proc tells of a process's memory: maps, smaps, cmdline, environ. proc(5). */
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/mm.h>
#include <linux/procfs.h>
#include <linux/task.h>

enum { AREA_SHARED = 1, AREA_READ = 1, AREA_WRITE = 2, AREA_EXECUTE = 4 };
enum { STRINGS_MAX = 2 << 20, NAME_COLUMN = 73 };

static bool holds(const struct area *area, uint64_t address)
{
    return address >= area->start && address < area->end;
}

void proc_memory(struct task *task, struct proc_memory *memory_out)
{
    *memory_out = (struct proc_memory){ 0 };
    struct mm *mm = task_mm(task);
    if (mm == NULL)
        return;
    rt_lock(&mm->lock);
    *memory_out = (struct proc_memory){
        .total_bytes = mm->total_bytes,
        .peak_bytes = mm->peak_bytes,
        .data_bytes = mm->data_bytes,
        .stack_bytes = mm->stack_bytes,
        .executable_bytes = mm->executable_bytes,
        .locked_bytes = mm->locked_bytes,
        .code_start = mm->code_start,
        .code_end = mm->code_end,
        .data_start = mm->data_start,
        .data_end = mm->data_end,
        .brk_start = mm->brk_start,
        .stack_top = mm->stack_top,
        .argument_start = mm->argument_start,
        .argument_end = mm->argument_end,
        .environment_start = mm->environment_start,
        .environment_end = mm->environment_end,
    };
    rt_unlock(&mm->lock);
    memory_out->resident_bytes = mm_resident(mm);
    mm_put(mm);
}

/* ---- maps ---- */

/* A buffer for paths, because the lock is held while they are asked for. */
static void add_area_name(struct text *text, const struct mm *mm, const struct area *area,
                          char *buffer)
{
    if (area->file != NULL && area->file->path.name != NULL) {
        if (path_text(&area->file->path, buffer, PATH_MAX) > 0)
            text_add_path(text, buffer, "\n");
    } else if (area->start < mm->brk && area->end > mm->brk_start && mm->brk > mm->brk_start) {
        text_add(text, "[heap]");
    } else if (mm->stack_top != 0 && holds(area, mm->stack_top - 1)) {
        text_add(text, "[stack]");
    } else if (mm->vdso != 0 && holds(area, mm->vdso)) {
        text_add(text, "[vdso]");
    }
}

static void add_area(struct text *text, const struct mm *mm, const struct area *area, char *buffer)
{
    const struct node *node = area->file != NULL ? area->file->node : NULL;
    uint64_t device = node != NULL ? node->file_system->device : 0;
    size_t start = text->size_bytes;
    text_add(text, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu", (unsigned long long)area->start,
             (unsigned long long)area->end, (area->protection & AREA_READ) != 0 ? 'r' : '-',
             (area->protection & AREA_WRITE) != 0 ? 'w' : '-',
             (area->protection & AREA_EXECUTE) != 0 ? 'x' : '-',
             (area->flags & AREA_SHARED) != 0 ? 's' : 'p',
             (unsigned long long)(node != NULL ? area->offset : 0), device_major(device),
             device_minor(device), (unsigned long long)(node != NULL ? node->inode : 0));
    size_t name_at = text->size_bytes;
    do
        text_add(text, " ");
    while (!text->failed && text->size_bytes - start < NAME_COLUMN);
    size_t blanks_end = text->size_bytes;
    add_area_name(text, mm, area, buffer);
    if (text->size_bytes == blanks_end && !text->failed)
        text->size_bytes = name_at; /* no name: no blanks */
    text_add(text, "\n");
}

static void add_area_sizes(struct text *text, const struct area *area)
{
    unsigned long long kib = (area->end - area->start) / 1024;
    text_add(text, "Size:           %8llu kB\nKernelPageSize:        4 kB\n", kib);
    text_add(text, "MMUPageSize:           4 kB\nRss:                   0 kB\n");
    text_add(text, "Pss:                   0 kB\nShared_Clean:          0 kB\n");
    text_add(text, "Shared_Dirty:          0 kB\nPrivate_Clean:         0 kB\n");
    text_add(text, "Private_Dirty:         0 kB\nReferenced:            0 kB\n");
    text_add(text, "Anonymous:             0 kB\nSwap:                  0 kB\n");
}

int proc_memory_open(struct node *node, struct file *file)
{
    struct mm *mm = NULL;
    if (task_look_mm(pseudo_node(node)->task, &mm) == -EPERM)
        return -EACCES;
    int error = proc_file_open(node, file);
    if (error == 0)
        pseudo_text(file)->memory = mm == NULL ? 0 : mm->serial;
    mm_put(mm);
    return error;
}

/* The memory that was opened, counted; NULL: it has that no more. */
static struct mm *memory_of(struct pseudo_node *node, const struct text *text)
{
    struct mm *mm = task_mm(node->task);
    if (mm == NULL || mm->serial == text->memory)
        return mm;
    mm_put(mm);
    return NULL;
}

static int show_areas(struct pseudo_node *node, struct text *text, bool sizes)
{
    struct mm *mm = memory_of(node, text);
    if (mm == NULL)
        return 0;
    char *buffer = heap_alloc(PATH_MAX);
    if (buffer != NULL) {
        rt_lock(&mm->lock);
        TREE_FOR_EACH(link, &mm->areas)
        {
            const struct area *area = CONTAINER_OF(link, struct area, node);
            add_area(text, mm, area, buffer);
            if (sizes)
                add_area_sizes(text, area);
        }
        rt_unlock(&mm->lock);
    }
    heap_free(buffer);
    mm_put(mm);
    return buffer == NULL ? -ENOMEM : 0;
}

int proc_show_maps(struct pseudo_node *node, struct text *text)
{
    return show_areas(node, text, false);
}

int proc_show_smaps(struct pseudo_node *node, struct text *text)
{
    return show_areas(node, text, true);
}

/* ---- What a program was started with ---- */

static void add_guest_bytes(struct text *text, struct mm *mm, uint64_t from, uint64_t to)
{
    char bytes[256];
    to = MIN(to, from + STRINGS_MAX);
    while (from < to && !text->failed) {
        int64_t read = mm_read(mm, from, bytes, MIN(to - from, sizeof(bytes)));
        if (read <= 0)
            break;
        text_add_bytes(text, bytes, (size_t)read);
        from += (uint64_t)read;
    }
}

static void show_strings(struct mm *mm, struct text *text, bool environment)
{
    rt_lock(&mm->lock);
    uint64_t from = environment ? mm->environment_start : mm->argument_start;
    uint64_t to = environment ? mm->environment_end : mm->argument_end;
    rt_unlock(&mm->lock);
    add_guest_bytes(text, mm, from, to);
}

/* Which everybody may see. */
int proc_show_cmdline(struct pseudo_node *node, struct text *text)
{
    struct mm *mm = task_mm(node->task);
    if (mm != NULL)
        show_strings(mm, text, false);
    mm_put(mm);
    return 0;
}

int proc_show_auxiliary(struct pseudo_node *node, struct text *text)
{
    struct mm *mm = memory_of(node, text);
    if (mm == NULL)
        return 0;
    size_t words = 0;
    while (words + 2 < ARRAY_LEN(mm->auxiliary) && mm->auxiliary[words] != 0)
        words += 2;
    text_add_bytes(text, mm->auxiliary, (words + 2) * sizeof(mm->auxiliary[0]));
    mm_put(mm);
    return 0;
}

int proc_show_environ(struct pseudo_node *node, struct text *text)
{
    struct mm *mm = memory_of(node, text);
    if (mm != NULL)
        show_strings(mm, text, true);
    mm_put(mm);
    return 0;
}
