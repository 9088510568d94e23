/* What tests of files stand on (see fixture.h). */
#include "../proc/proc_impl.h"
#include "fixture.h"
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <linux/pool.h>
#include <string.h>

enum { POOL_BYTES = 64 << 20 };

/* A process of one task, this thread, as process_start makes it. */
static void make_task(struct file_fixture *f)
{
    struct process *process;
    EXPECT_EQ(process_create(NULL, &process), 0);
    EXPECT_EQ(signal_handlers_copy(NULL, &process->handlers), 0);
    EXPECT_EQ(task_create(process, NULL, NULL, &f->task), 0);
    EXPECT_EQ(cred_create(0, 0, NULL, 0, CAP_ALL, &f->task->cred), 0);
    EXPECT_EQ(file_table_create(&f->task->files), 0);
    EXPECT_EQ(fs_context_create(&f->task->fs), 0);
    f->task->fs->umask = 022;
    rt_lock(&processes_lock);
    EXPECT_EQ(table_add_task(f->task), 0);
    process->pid = f->task->tid;
    process->leader = task_get(f->task);
    table_add_process(process);
    f->task->charged = account_get(f->task->cred->account);
    (void)__atomic_fetch_add(&f->task->charged->tasks, 1, __ATOMIC_RELAXED);
    list_push_back(&process->tasks, &f->task->in_process);
    process->task_count = 1;
    process->limit[RLIMIT_NOFILE] = (struct resource_limit){ 1024, 4096 };
    process->limit[RLIMIT_FSIZE] = (struct resource_limit){ RLIM_INFINITY, RLIM_INFINITY };
    rt_unlock(&processes_lock);
    vcpu_discard(f->task->vcpu);
    f->task->vcpu = vcpu_self();
    ((struct vcpu_head *)f->task->vcpu)->owner = f->task;
}

void file_fixture_init(struct file_fixture *f, const struct layer *layers, unsigned count)
{
    *f = (struct file_fixture){ 0 };
    EXPECT_EQ(pool_create(POOL_BYTES), 0);
    EXPECT_EQ(mounts_start(layers, count), 0);
    EXPECT_EQ(memory_allocate(FIXTURE_BYTES, &f->memory), 0);
    EXPECT_EQ(guest_space_create(&f->space), 0);
    EXPECT_EQ(guest_space_map(f->space, FIXTURE_AT, f->memory, 0, FIXTURE_BYTES,
                              MACHINE_READ | MACHINE_WRITE),
              0);
    EXPECT_EQ(vcpu_attach(vcpu_self(), f->space), 0);
    make_task(f);
}

static void end_task(struct file_fixture *f)
{
    struct process *process = f->task->process;
    file_table_put(f->task->files);
    fs_context_put(f->task->fs);
    f->task->files = NULL;
    f->task->fs = NULL;
    rt_lock(&processes_lock);
    list_remove(&f->task->in_process);
    process_forget(process);
    rt_unlock(&processes_lock);
    ((struct vcpu_head *)vcpu_self())->owner = NULL;
    task_put(f->task);
    process_put(process);
}

void file_fixture_end_layers(struct file_fixture *f)
{
    EXPECT_EQ(fd_next(f->task, 0), -1);
    end_task(f);
    mounts_end();
    EXPECT_EQ(pool_pages(), 0);
    pool_destroy();
    EXPECT_EQ(vcpu_attach(vcpu_self(), NULL), 0);
    guest_space_destroy(f->space);
    memory_put(f->memory);
}

void file_fixture_end(struct file_fixture *f)
{
    file_fixture_end_layers(f);
    EXPECT_EQ(host_counts().memories, 0);
    EXPECT_EQ(heap_counts().blocks, 0);
}

uaddr_t guest_bytes(struct file_fixture *f, const void *bytes, size_t size_bytes)
{
    uaddr_t at = guest_room(f, size_bytes);
    EXPECT_EQ(copy_out(at, bytes, size_bytes), 0);
    return at;
}

uaddr_t guest_room(struct file_fixture *f, size_t size_bytes)
{
    uaddr_t at = FIXTURE_AT + f->used;
    f->used += ALIGN_UP(size_bytes, (size_t)16);
    EXPECT(f->used <= FIXTURE_BYTES);
    return at;
}

uaddr_t guest_text(struct file_fixture *f, const char *text)
{
    return guest_bytes(f, text, strlen(text) + 1);
}

void file_fixture_forget(struct file_fixture *f)
{
    f->used = 0;
}

void file_fixture_become(struct file_fixture *f, uint32_t uid, uint32_t gid)
{
    struct cred *cred;
    EXPECT_EQ(cred_create(uid, gid, NULL, 0, uid == 0 ? CAP_ALL : 0, &cred), 0);
    struct cred *old = f->task->cred;
    f->task->cred = cred;
    cred_put(old);
}

int64_t file_fixture_read(struct file_fixture *f, const char *path, char *to, size_t size_bytes)
{
    uint64_t mark = f->used;
    int64_t fd = linux_openat(AT_FDCWD, guest_text(f, path), O_RDONLY, 0);
    if (fd < 0)
        return fd;
    uaddr_t room = guest_room(f, size_bytes);
    int64_t length = linux_read((int)fd, room, size_bytes - 1);
    if (length >= 0) {
        EXPECT_EQ(copy_in(to, room, (size_t)length), 0);
        to[length] = '\0';
    }
    EXPECT_EQ(linux_close((int)fd), 0);
    f->used = mark;
    return length;
}

int64_t file_fixture_write(struct file_fixture *f, const char *path, const char *text)
{
    uint64_t mark = f->used;
    int64_t fd = linux_openat(AT_FDCWD, guest_text(f, path), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0)
        return fd;
    int64_t length = linux_write((int)fd, guest_text(f, text), strlen(text));
    EXPECT_EQ(linux_close((int)fd), 0);
    f->used = mark;
    return length;
}
