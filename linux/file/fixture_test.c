/* What tests of files stand on (see fixture.h). */
#include "fixture.h"
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <linux/pool.h>
#include <linux/single.h>
#include <string.h>

enum { POOL_BYTES = 64 << 20 };

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
    f->task = single_task_begin();
}

void file_fixture_end_layers(struct file_fixture *f)
{
    EXPECT_EQ(fd_next(f->task, 0), -1);
    single_task_end(f->task);
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

static guest_function *program; /* of file_world_run */

static void run_with_files(uint64_t a, uint64_t b, uint64_t c)
{
    struct task *task = task_self();
    fs_context_put(task->fs);
    EXPECT_EQ(fs_context_create(&task->fs), 0);
    program(a, b, c);
}

void file_world_run(guest_function *first)
{
    uint64_t before = heap_counts().blocks;
    EXPECT_EQ(pool_create(POOL_BYTES), 0);
    EXPECT_EQ(mounts_start(NULL, 0), 0);
    program = first;
    world_run(run_with_files, 0);
    mounts_end();
    EXPECT_EQ(pool_pages(), 0);
    pool_destroy();
    EXPECT_EQ(heap_counts().blocks, before);
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
