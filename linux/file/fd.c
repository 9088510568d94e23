/* Tables of descriptors.
 *
 * A table that one task has is changed by that task alone, so its look-ups need no lock; others
 * (/proc) look with it. Nothing is called with the lock.
 */
#include <base/bits.h>
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/task.h>

enum { FD_MAX = 1048576, FIRST_CAPACITY = 64, SLOT_BYTES = sizeof(void *) };

struct file_table {
    uint32_t references; /* atomic */
    struct rt_lock lock; /* `files` */
    unsigned capacity;   /* a multiple of 64 */
    struct file **files;
    uint64_t *used, *close_on_exec; /* a bit each */
};

static void table_free(struct file_table *table)
{
    heap_free(table->files);
    heap_free(table->used);
    heap_free(table->close_on_exec);
    heap_free(table);
}

static int table_new(unsigned capacity, struct file_table **table_out)
{
    struct file_table *table = heap_alloc(sizeof(*table));
    if (table == NULL)
        return -ENOMEM;
    table->references = 1;
    table->capacity = capacity;
    table->files = heap_alloc_array(capacity, SLOT_BYTES);
    table->used = heap_alloc_array(capacity / 64, sizeof(uint64_t));
    table->close_on_exec = heap_alloc_array(capacity / 64, sizeof(uint64_t));
    if (table->files == NULL || table->used == NULL || table->close_on_exec == NULL) {
        table_free(table);
        return -ENOMEM;
    }
    *table_out = table;
    return 0;
}

int file_table_create(struct file_table **table_out)
{
    return table_new(FIRST_CAPACITY, table_out);
}

struct file_table *file_table_get(struct file_table *table)
{
    (void)__atomic_fetch_add(&table->references, 1, __ATOMIC_RELAXED);
    return table;
}

static bool bit_get(const uint64_t *words, unsigned fd)
{
    return (words[fd / 64] & BIT64(fd % 64)) != 0;
}

static void bit_set(uint64_t *words, unsigned fd, bool value)
{
    words[fd / 64] = value ? words[fd / 64] | BIT64(fd % 64) : words[fd / 64] & ~BIT64(fd % 64);
}

/* The file leaves the table: it is the caller's. */
static struct file *take_out_locked(struct file_table *table, unsigned fd)
{
    struct file *file = table->files[fd];
    table->files[fd] = NULL;
    bit_set(table->used, fd, false);
    bit_set(table->close_on_exec, fd, false);
    return file;
}

static void close_file(struct file_table *table, struct file *file)
{
    if (file->ops->flush != NULL)
        file->ops->flush(file);
    if (file->node != NULL)
        file_locks_close(file, table);
    file_put(file);
}

/* The first used one at or above `fd`; the capacity if there is none. */
static unsigned next_used(const struct file_table *table, unsigned fd)
{
    for (unsigned word = fd / 64; word < table->capacity / 64; word++) {
        uint64_t bits = table->used[word];
        if (word == fd / 64)
            bits &= UINT64_MAX << (fd % 64);
        if (bits != 0)
            return 64 * word + bit_lowest(bits);
    }
    return table->capacity;
}

void file_table_put(struct file_table *table)
{
    if (__atomic_sub_fetch(&table->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    for (unsigned fd = 0; (fd = next_used(table, fd)) < table->capacity; fd++)
        close_file(table, take_out_locked(table, fd));
    table_free(table);
}

static int grow_array(void **array, size_t old_bytes, size_t new_bytes)
{
    void *grown = heap_resize(*array, new_bytes);
    if (grown == NULL)
        return -ENOMEM;
    memset((uint8_t *)grown + old_bytes, 0, new_bytes - old_bytes);
    *array = grown;
    return 0;
}

/* Room for `fd`. The capacity is the last to change, so a failure leaves arrays that are longer
 * than needed. */
static int grow_locked(struct file_table *table, unsigned fd)
{
    unsigned old = table->capacity;
    if (fd < old)
        return 0;
    unsigned capacity = old;
    while (capacity <= fd)
        capacity *= 2;
    int error =
        grow_array((void **)&table->files, (size_t)old * SLOT_BYTES, (size_t)capacity * SLOT_BYTES);
    if (error == 0)
        error = grow_array((void **)&table->used, old / 8, capacity / 8);
    if (error == 0)
        error = grow_array((void **)&table->close_on_exec, old / 8, capacity / 8);
    if (error == 0)
        table->capacity = capacity;
    return error;
}

int file_table_copy(struct file_table *table, struct file_table **table_out)
{
    struct file_table *copy;
    rt_lock(&table->lock);
    int error = table_new(table->capacity, &copy);
    if (error == 0) {
        memcpy(copy->used, table->used, table->capacity / 8);
        memcpy(copy->close_on_exec, table->close_on_exec, table->capacity / 8);
        for (unsigned fd = 0; (fd = next_used(table, fd)) < table->capacity; fd++)
            copy->files[fd] = file_get(table->files[fd]);
    }
    rt_unlock(&table->lock);
    if (error == 0)
        *table_out = copy;
    return error;
}

/* One that the range has, out of the table; NULL: no more. */
static struct file *take_next(struct file_table *table, unsigned *fd, unsigned last, bool marked)
{
    struct file *file = NULL;
    rt_lock(&table->lock);
    while ((*fd = next_used(table, *fd)) < table->capacity && *fd <= last) {
        if (!marked || bit_get(table->close_on_exec, *fd)) {
            file = take_out_locked(table, *fd);
            break;
        }
        (*fd)++;
    }
    rt_unlock(&table->lock);
    return file;
}

void file_table_close_on_exec(struct file_table *table)
{
    struct file *file;
    for (unsigned fd = 0; (file = take_next(table, &fd, UINT32_MAX, true)) != NULL;)
        close_file(table, file);
}

void fd_close_range(unsigned first, unsigned last, bool mark)
{
    struct file_table *table = task_self()->files;
    struct file *file;
    if (!mark) {
        for (unsigned fd = first; (file = take_next(table, &fd, last, false)) != NULL;)
            close_file(table, file);
        return;
    }
    rt_lock(&table->lock);
    for (unsigned fd = first; (fd = next_used(table, fd)) < table->capacity && fd <= last; fd++)
        bit_set(table->close_on_exec, fd, true);
    rt_unlock(&table->lock);
}

static struct file *get_locked(const struct file_table *table, int fd)
{
    if (fd < 0 || (unsigned)fd >= table->capacity || table->files[fd] == NULL)
        return NULL;
    return file_get(table->files[fd]);
}

static struct file *get_from(struct file_table *table, int fd)
{
    rt_lock(&table->lock);
    struct file *file = get_locked(table, fd);
    rt_unlock(&table->lock);
    return file;
}

struct file *fd_get_any(int fd)
{
    struct file_table *table = task_self()->files;
    if (__atomic_load_n(&table->references, __ATOMIC_ACQUIRE) == 1)
        return get_locked(table, fd);
    return get_from(table, fd);
}

struct file *fd_get(int fd)
{
    struct file *file = fd_get_any(fd);
    if (file != NULL && UNLIKELY((file_flags(file) & O_PATH) != 0)) {
        file_put(file);
        return NULL;
    }
    return file;
}

struct file *fd_get_of(struct task *task, int fd)
{
    struct file_table *table;
    if (task_look_files(task, &table) != 0)
        return NULL;
    struct file *file = get_from(table, fd);
    file_table_put(table);
    return file;
}

int fd_next(struct task *task, int fd)
{
    struct file_table *table;
    if (fd < 0 || task_look_files(task, &table) != 0)
        return -1;
    rt_lock(&table->lock);
    unsigned next = next_used(table, (unsigned)fd);
    int result = next < table->capacity ? (int)next : -1;
    rt_unlock(&table->lock);
    file_table_put(table);
    return result;
}

static unsigned fd_limit(void)
{
    return (unsigned)MIN(resource_limit(RLIMIT_NOFILE), (uint64_t)FD_MAX);
}

static unsigned next_free(const struct file_table *table, unsigned fd)
{
    for (unsigned word = fd / 64; word < table->capacity / 64; word++) {
        uint64_t bits = ~table->used[word];
        if (word == fd / 64)
            bits &= UINT64_MAX << (fd % 64);
        if (bits != 0)
            return 64 * word + bit_lowest(bits);
    }
    return MAX(fd, table->capacity);
}

static void put_in_locked(struct file_table *table, unsigned fd, struct file *file,
                          unsigned fd_flags)
{
    table->files[fd] = file;
    bit_set(table->used, fd, true);
    bit_set(table->close_on_exec, fd, (fd_flags & FD_CLOSE_ON_EXEC) != 0);
}

int file_table_put_file(struct file_table *table, int fd, struct file *file_taken)
{
    rt_lock(&table->lock);
    int error = grow_locked(table, (unsigned)fd);
    if (error == 0)
        put_in_locked(table, (unsigned)fd, file_taken, 0);
    rt_unlock(&table->lock);
    if (error != 0)
        file_put(file_taken);
    return error;
}

int fd_room(void)
{
    struct file_table *table = task_self()->files;
    rt_lock(&table->lock);
    bool room = next_free(table, 0) < fd_limit();
    rt_unlock(&table->lock);
    return room ? 0 : -EMFILE;
}

int fd_install(struct file *file, int lowest, unsigned fd_flags)
{
    struct file_table *table = task_self()->files;
    unsigned limit = fd_limit();
    rt_lock(&table->lock);
    unsigned fd = next_free(table, (unsigned)lowest);
    int error = fd >= limit ? -EMFILE : grow_locked(table, fd);
    if (error == 0)
        put_in_locked(table, fd, file, fd_flags);
    rt_unlock(&table->lock);
    return error != 0 ? error : (int)fd;
}

int fd_install_at(struct file *file, int fd, unsigned fd_flags)
{
    struct file_table *table = task_self()->files;
    if (fd < 0 || (unsigned)fd >= fd_limit())
        return -EBADF;
    struct file *old = NULL;
    rt_lock(&table->lock);
    int error = grow_locked(table, (unsigned)fd);
    if (error == 0) {
        old = table->files[fd];
        put_in_locked(table, (unsigned)fd, file, fd_flags);
    }
    rt_unlock(&table->lock);
    if (old != NULL)
        close_file(table, old);
    return error != 0 ? error : fd;
}

int fd_close(int fd)
{
    struct file_table *table = task_self()->files;
    struct file *file = NULL;
    rt_lock(&table->lock);
    if (fd >= 0 && (unsigned)fd < table->capacity && table->files[fd] != NULL)
        file = take_out_locked(table, (unsigned)fd);
    rt_unlock(&table->lock);
    if (file == NULL)
        return -EBADF;
    close_file(table, file);
    return 0;
}

int fd_flags(int fd)
{
    struct file_table *table = task_self()->files;
    rt_lock(&table->lock);
    bool there = fd >= 0 && (unsigned)fd < table->capacity && table->files[fd] != NULL;
    int flags = there && bit_get(table->close_on_exec, (unsigned)fd) ? (int)FD_CLOSE_ON_EXEC : 0;
    rt_unlock(&table->lock);
    return there ? flags : -EBADF;
}

int fd_set_flags(int fd, unsigned fd_flags)
{
    struct file_table *table = task_self()->files;
    rt_lock(&table->lock);
    bool there = fd >= 0 && (unsigned)fd < table->capacity && table->files[fd] != NULL;
    if (there)
        bit_set(table->close_on_exec, (unsigned)fd, (fd_flags & FD_CLOSE_ON_EXEC) != 0);
    rt_unlock(&table->lock);
    return there ? 0 : -EBADF;
}
