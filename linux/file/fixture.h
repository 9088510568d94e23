/* Tests of files: a caller, a guest's memory for its arguments, and a tree of mounts. */
#pragma once

#include <linux/calls.h>
#include <linux/file_impl.h>
#include <linux/host.h>
#include <linux/machine.h>
#include <linux/memfs.h>
#include <linux/mounts.h>
#include <linux/task.h>
#include <linux/world.h>

/* Pages of the guest's, for names and buffers. */
#define FIXTURE_AT    ((uint64_t)0x10000000)
#define FIXTURE_BYTES ((uint64_t)1 << 20)

struct file_fixture {
    struct guest_space *space;
    struct memory *memory;
    struct task *task;
    uint64_t used; /* of the guest's pages, by texts */
};

/* Root's, with every capability; the root file system has those layers. */
void file_fixture_init(struct file_fixture *f, const struct layer *layers, unsigned count);
/* Everything is gone again. */
void file_fixture_end(struct file_fixture *f);
void file_fixture_end_layers(struct file_fixture *f); /* all but what the layers take */
/* world_run where there is a root file system, empty: `first` has a root and a working directory.
 */
void file_world_run(guest_function *first);
/* Bytes in the guest's memory. They stay until file_fixture_forget. */
uaddr_t guest_text(struct file_fixture *f, const char *text);
uaddr_t guest_bytes(struct file_fixture *f, const void *bytes, size_t size_bytes);
uaddr_t guest_room(struct file_fixture *f, size_t size_bytes);
void file_fixture_forget(struct file_fixture *f);
/* Another user without capabilities, or (0) root with all of them. */
void file_fixture_become(struct file_fixture *f, uint32_t uid, uint32_t gid);
/* The whole file as text; its length, or an error. */
int64_t file_fixture_read(struct file_fixture *f, const char *path, char *to, size_t size_bytes);
/* Made, or cut and written. */
int64_t file_fixture_write(struct file_fixture *f, const char *path, const char *text);
