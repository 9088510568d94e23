/* Processes that nobody forked: the image's entry point, and what runs beside it.
 *
 * The starter is a thread of the container's, no task. The new task executes its program by itself
 * and tells the starter how that went; the starter keeps what the program is made of until then.
 */
#include "proc_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/exec.h>
#include <linux/heap.h>
#include <linux/machine.h>

struct start {
    struct program_start *program;
    int error;
    uint32_t told; /* atomic */
};

/* After that word the starter's memory is not ours any more. */
static void start_tell(struct start *start, int error)
{
    start->error = error;
    __atomic_store_n(&start->told, 1, __ATOMIC_RELEASE);
    machine_wake(&start->told, 1);
}

/* As execvp: a name without a slash is looked for along PATH. */
static int execute_in(const struct program_start *program, const char *folder, size_t length)
{
    enum { PATH_BYTES = 4096 };
    const char *name = program->arguments[0];
    size_t name_length = strlen(name);
    if (length + name_length + 2 > PATH_BYTES)
        return -ENAMETOOLONG;
    char *path = heap_alloc(PATH_BYTES);
    if (path == NULL)
        return -ENOMEM;
    memcpy(path, folder, length);
    path[length] = '/';
    memcpy(path + length + 1, name, name_length + 1);
    int error = program_execute(path, program->arguments, program->environment);
    heap_free(path);
    return error;
}

static const char *search_path(const char *const *environment)
{
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, "PATH=", 5) == 0)
            return *environment + 5;
    }
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

static int start_execute(const struct program_start *program)
{
    const char *name = program->arguments[0];
    if (name == NULL || *name == 0)
        return -ENOENT;
    if (strchr(name, '/') != NULL)
        return program_execute(name, program->arguments, program->environment);
    int result = -ENOENT;
    const char *folder = search_path(program->environment);
    for (;;) {
        const char *end = strchr(folder, ':');
        size_t length = end == NULL ? strlen(folder) : (size_t)(end - folder);
        int error = execute_in(program, length == 0 ? "." : folder, length == 0 ? 1 : length);
        if (error == 0 || (error != -ENOENT && error != -ENOTDIR && error != -EACCES))
            return error;
        result = error == -EACCES ? error : result;
        if (end == NULL)
            return result;
        folder = end + 1;
    }
}

static int start_directory(const char *name)
{
    struct path path;
    struct path old;
    int error = path_find(-100, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &path);
    if (error != 0)
        return error;
    struct fs_context *fs = task_self()->fs;
    rt_lock(&fs->lock);
    old = fs->working;
    fs->working = path;
    rt_unlock(&fs->lock);
    path_put(&old);
    return 0;
}

static void start_main(void *argument)
{
    struct task *task = argument;
    struct start *start = task->start;
    struct program_start *program = start->program;
    task->start = NULL;
    int error = program->prepare != NULL ? program->prepare(program) : 0;
    if (error == 0 && program->working != NULL && program->working[0] != 0)
        error = start_directory(program->working);
    if (error == 0)
        error = start_execute(program);
    start_tell(start, error);
    if (error != 0)
        process_exit(127 << 8);
    task_run(task);
}

/* Process 1 has taken everybody with it, or is about to: nobody comes after it. */
static bool is_too_late(const struct task *task) REQUIRES(processes_lock)
{
    const struct process *first = table_process(1);
    return task->tid != 1 && (first == NULL || first->zombie);
}

int process_publish(struct process *process, struct task *task, struct tty *terminal)
{
    rt_lock(&processes_lock);
    int error = table_add_task(task);
    if (error == 0 && is_too_late(task)) {
        table_remove_task(task);
        task_put(task); /* the table's */
        error = -ESRCH;
    }
    if (error == 0) {
        process->pid = task->tid;
        process->group = process->session = process->pid;
        process->session_leader = true;
        process->terminal = terminal == NULL ? NULL : tty_get(terminal);
        process->leader = task_get(task);
        table_add_process(process);
        task_set_parent_reply(task, NULL);
        task->charged = account_get(task->cred->account);
        (void)__atomic_fetch_add(&task->charged->tasks, 1, __ATOMIC_RELAXED);
        rt_lock(&process->lock);
        list_push_back(&process->tasks, &task->in_process);
        process->task_count = process->live_count = 1;
        rt_unlock(&process->lock);
    }
    rt_unlock(&processes_lock);
    return error;
}

/* Takes what the program is given. */
static int start_make(const struct program_start *program, struct start *start,
                      struct process **process_out, struct task **task_out)
{
    int error = process_create(NULL, process_out);
    if (error == 0)
        error = signal_handlers_copy(NULL, &(*process_out)->handlers);
    if (error == 0)
        error = task_create(*process_out, NULL, start_main, task_out);
    if (error != 0) {
        file_table_put(program->files);
        fs_context_put(program->fs);
        cred_put(program->cred);
        return error;
    }
    struct task *task = *task_out;
    task->files = program->files;
    task->fs = program->fs;
    task->cred = program->cred;
    task->start = start;
    return 0;
}

int process_start(struct program_start *program, struct process **process_out)
{
    struct start start = { .program = program };
    struct process *process = NULL;
    struct task *task = NULL;
    int error = start_make(program, &start, &process, &task);
    if (error == 0)
        error = process_publish(process, task, program->terminal);
    if (error != 0) {
        if (task != NULL)
            task_discard(task);
        if (process != NULL)
            process_put(process);
        return error;
    }
    task_set_replies(task);
    vcpu_start(task->vcpu);
    while (__atomic_load_n(&start.told, __ATOMIC_ACQUIRE) == 0)
        machine_wait(&start.told, 0, MACHINE_NEVER);
    if (start.error != 0)
        process_put(process);
    else
        *process_out = process;
    return start.error;
}

/* It is nobody's child, so it is out of the table as soon as it has ended: no pid would find it. */
uint32_t process_join(struct process *process)
{
    uint32_t status;
    for (;;) {
        uint32_t seen = __atomic_load_n(&process->task_word, __ATOMIC_SEQ_CST);
        rt_lock(&processes_lock);
        bool ended = process->zombie;
        status = process->exit_status;
        rt_unlock(&processes_lock);
        if (ended)
            break;
        machine_wait(&process->task_word, seen, MACHINE_NEVER);
    }
    process_put(process);
    return status;
}

int process_signal_outside(int32_t pid, int number)
{
    if (number < 1 || number > SIGNAL_COUNT)
        return -EINVAL;
    struct process *process = process_find(pid);
    if (process == NULL)
        return -ESRCH;
    struct signal_info info = { .number = number, .code = SI_USER };
    int error = signal_send_forced(process, &info);
    process_put(process);
    return error;
}
