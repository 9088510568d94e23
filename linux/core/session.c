/* Sessions: programs that the creator wants to run, the container's first one among them. Each has
 * a native thread that starts it and waits for its end.
 */
#include <base/compiler.h>
#include <base/fmt.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/container.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/mounts.h>
#include <linux/tty.h>

/* What docker gives root in a container: chown, dac_override, fowner, fsetid, kill, setgid, setuid,
 * setpcap, net_bind_service, net_raw, sys_chroot, mknod, audit_write, setfcap. */
#define CONTAINER_CAPABILITIES ((uint64_t)0xa80425fb)

enum { HOME_BYTES = 6 + 256 };

static struct rt_lock sessions_lock;
static struct list sessions = { &sessions, &sessions };

struct session *session_get(struct session *session)
{
    (void)__atomic_fetch_add(&session->references, 1, __ATOMIC_RELAXED);
    return session;
}

void session_put(struct session *session)
{
    if (__atomic_sub_fetch(&session->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    container_texts_free(&session->texts);
    if (session->input != NULL)
        stdio_input_free(session->input);
    if (session->terminal != NULL)
        tty_put(session->terminal);
    heap_free(session);
}

struct session *session_find(uint32_t id)
{
    struct session *found = NULL;
    rt_lock(&sessions_lock);
    LIST_FOR_EACH(link, &sessions)
    {
        struct session *session = CONTAINER_OF(link, struct session, link);
        if (session->id == id)
            found = session_get(session);
    }
    rt_unlock(&sessions_lock);
    return found;
}

void session_signal(struct session *session, uint32_t number)
{
    if (number < 1 || number > SIGNAL_COUNT)
        return;
    rt_lock(&sessions_lock);
    int32_t pid = session->pid;
    if (pid == 0)
        session->early |= SIGNAL_BIT(number);
    rt_unlock(&sessions_lock);
    if (pid != 0)
        (void)process_signal_outside(pid, (int)number); /* it may have ended meanwhile */
}

/* Its program runs: what came before goes to it. */
static void session_runs(struct session *session, int32_t pid)
{
    rt_lock(&sessions_lock);
    session->pid = pid;
    signal_set early = session->early;
    session->early = 0;
    rt_unlock(&sessions_lock);
    for (int number = 1; number <= SIGNAL_COUNT; number++) {
        if ((early & SIGNAL_BIT(number)) != 0)
            (void)process_signal_outside(pid, number);
    }
}

/* ---- In the new task ---- */

/* The start that is `program`, with what belongs to it. */
struct session_program {
    struct program_start program;
    const char **environment; /* heap: the block's and HOME */
    char home[HOME_BYTES];
    const struct session *session;
};

static bool sets_home(const char *const *environment)
{
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, "HOME=", 5) == 0)
            return true;
    }
    return false;
}

static int add_home(struct session_program *start, const char *home)
{
    const char *const *old = start->program.environment;
    size_t count = 0;
    if (sets_home(old))
        return 0;
    while (old[count] != NULL)
        count++;
    start->environment = heap_alloc_array(count + 2, sizeof(*start->environment));
    if (start->environment == NULL)
        return -ENOMEM;
    memcpy(start->environment, old, count * sizeof(*old));
    (void)format_text(start->home, sizeof(start->home), "HOME=%s", home);
    start->environment[count] = start->home;
    start->program.environment = start->environment;
    return 0;
}

/* Each part of the name that is missing, as root's. */
static void make_directories(const char *name)
{
    char part[PATH_MAX];
    struct path path;
    if (strlcpy(part, name, sizeof(part)) >= sizeof(part))
        return;
    for (char *at = part + 1; part[0] != '\0'; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char end = *at;
        *at = '\0';
        if (path_make(AT_FDCWD, part, S_IFDIR | 0755, 0, &path) == 0)
            path_put(&path);
        *at = end;
        if (end == '\0')
            return;
    }
}

/* Only into a file: a pipe that an image has there would wait for a reader before anything runs. */
static void write_file(const char *name, const char *text)
{
    struct path path;
    struct file *file;
    uint64_t position = 0;
    int error = path_make(AT_FDCWD, name, S_IFREG | 0644, 0, &path);
    if (error == -EEXIST)
        error = path_find(AT_FDCWD, name, LOOKUP_FOLLOW, &path);
    if (error != 0)
        return;
    if (path_node(&path)->type == S_IFREG && file_open(&path, O_WRONLY | O_TRUNC, &file) == 0) {
        (void)file_write_own(file, text, strlen(text), &position);
        file_put(file);
    }
    path_put(&path);
}

void session_write_names(const char *hostname)
{
    char text[256];
    (void)format_text(text, sizeof(text), "%s\n", hostname);
    write_file("/etc/hostname", text);
    (void)format_text(text, sizeof(text),
                      "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n127.0.1.1\t%s\n",
                      hostname);
    write_file("/etc/hosts", text);
}

static int take_user(const struct user *user)
{
    struct cred *cred;
    int error = cred_create(user->uid, user->gid, user->groups, user->group_count,
                            CONTAINER_CAPABILITIES, &cred);
    if (error != 0)
        return error;
    struct task *task = task_self();
    rt_lock(&task->lock);
    struct cred *old = task->cred;
    task->cred = cred;
    rt_unlock(&task->lock);
    cred_put(old);
    return 0;
}

/* As root, in the root directory, before the program. */
static int prepare(struct program_start *program)
{
    struct session_program *start = CONTAINER_OF(program, struct session_program, program);
    const struct container_texts *texts = &start->session->texts;
    struct user user;
    if (start->session->id == CONTAINER_FIRST_SESSION)
        session_write_names(texts->hostname);
    if (texts->working[0] == '/')
        make_directories(texts->working);
    int error = 0;
    if (start->session->id == CONTAINER_FIRST_SESSION && texts->block->read_only_root != 0)
        error = mounts_keep_root();
    if (error == 0)
        error = user_find(texts->user, &user);
    if (error == 0)
        error = add_home(start, user.home);
    if (error == 0 && start->session->terminal != NULL)
        error = terminal_open_stdio(start->session->terminal, user.uid);
    return error == 0 ? take_user(&user) : error;
}

/* ---- Its beginning ---- */

/* Where its input comes from and its output goes, so that both may come from now on. */
static int session_open(struct session *session)
{
    const struct container_block *block = session->texts.block;
    if (block->terminal == 0)
        return stdio_create(session, block->input != 0, &session->files);
    int error = file_table_create(&session->files);
    if (error != 0)
        return error;
    error = terminal_create((uint16_t)block->rows, (uint16_t)block->columns, &session->terminal);
    if (error != 0)
        file_table_put(session->files);
    return error;
}

static int session_make(struct session *session, struct session_program *start)
{
    struct fs_context *fs;
    struct cred *cred;
    struct file_table *files = session->files;
    session->files = NULL;
    int error = fs_context_create(&fs);
    if (error == 0) {
        error = cred_create(0, 0, NULL, 0, CONTAINER_CAPABILITIES, &cred);
        if (error != 0)
            fs_context_put(fs);
    }
    if (error != 0) {
        file_table_put(files);
        return error;
    }
    start->program.files = files;
    start->session = session;
    start->program.arguments = session->texts.arguments;
    start->program.environment = session->texts.environment;
    start->program.working = session->texts.working;
    start->program.fs = fs;
    start->program.cred = cred;
    start->program.prepare = prepare;
    return 0;
}

static const char *reason(int error)
{
    switch (error) {
    case -ENOENT:
        return "no such file or directory";
    case -EACCES:
        return "permission denied";
    case -ENOEXEC:
        return "not a program of this machine";
    case -ENOMEM:
        return "not enough memory";
    case -EINVAL:
        return "no such user or group, or no such program";
    default:
        return "it cannot be started";
    }
}

static void refuse(const struct session *session, int error)
{
    char text[CONTAINER_DATA_BYTES];
    struct io io;
    const char *name = session->texts.arguments[0];
    size_t length = format_text(text, sizeof(text), "%.150s: %s\n", name, reason(error));
    io_own(&io, text, MIN(length, sizeof(text) - 1));
    (void)events_send(CONTAINER_REFUSED, session->id, (uint32_t)-error, &io, false);
}

/* ---- What a terminal shows ---- */

static void show(void *argument)
{
    struct session *session = argument;
    uint8_t bytes[CONTAINER_DATA_BYTES];
    uint32_t length;
    while ((length = terminal_output(session->terminal, bytes, sizeof(bytes))) > 0) {
        struct io io;
        io_own(&io, bytes, length);
        (void)events_send(CONTAINER_OUTPUT, session->id, 0, &io, false);
    }
    __atomic_store_n(&session->shown, 1, __ATOMIC_RELEASE);
    machine_wake(&session->shown, 1);
    session_put(session);
    vcpu_exit();
}

static int show_start(struct session *session)
{
    struct vcpu *vcpu;
    if (session->terminal == NULL)
        return 0;
    int error = vcpu_create(show, session, NULL, &vcpu);
    if (error != 0) {
        terminal_close(session->terminal);
        return error;
    }
    (void)session_get(session);
    vcpu_start(vcpu);
    return 0;
}

/* All that was printed is on its way. */
static void show_end(struct session *session)
{
    if (session->terminal == NULL)
        return;
    terminal_close(session->terminal);
    while (__atomic_load_n(&session->shown, __ATOMIC_ACQUIRE) == 0)
        machine_wait(&session->shown, 0, MACHINE_NEVER);
}

/* ---- From its start to its end ---- */

/* The container's first process is process 1, and its end is everybody's: nobody is started before
 * it. */
enum { FIRST_EXPECTED, FIRST_RUNS, FIRST_FAILED };
static uint32_t first_session; /* atomic: one of these */

static void first_is(uint32_t what)
{
    __atomic_store_n(&first_session, what, __ATOMIC_RELEASE);
    machine_wake(&first_session, UINT32_MAX);
}

static int first_await(void)
{
    uint32_t what;
    while ((what = __atomic_load_n(&first_session, __ATOMIC_ACQUIRE)) == FIRST_EXPECTED)
        machine_wait(&first_session, FIRST_EXPECTED, MACHINE_NEVER);
    return what == FIRST_RUNS ? 0 : -ESRCH;
}

static int start_program(struct session *session, struct process **process_out)
{
    struct session_program start = { 0 };
    int error = session_make(session, &start);
    if (error == 0)
        error = process_start(&start.program, process_out);
    heap_free(start.environment);
    return error;
}

static int run_program(struct session *session)
{
    struct process *process = NULL;
    bool first = session->id == CONTAINER_FIRST_SESSION;
    int error = first ? 0 : first_await();
    if (error != 0) {
        file_table_put(session->files);
        return error;
    }
    error = start_program(session, &process);
    if (error != 0)
        return error;
    if (first)
        first_is(FIRST_RUNS);
    int32_t pid = process->pid;
    session_runs(session, pid);
    (void)events_send(CONTAINER_STARTED, session->id, (uint32_t)pid, NULL, false);
    uint32_t status = process_join(process);
    rt_lock(&sessions_lock);
    session->pid = 0;
    rt_unlock(&sessions_lock);
    show_end(session);
    if (first)
        task_tell_unknown();
    (void)events_send(CONTAINER_EXITED, session->id, status, NULL, false);
    return 0;
}

static int run(struct session *session)
{
    int error = show_start(session);
    if (error != 0) {
        file_table_put(session->files);
        return error;
    }
    error = run_program(session);
    if (error != 0 && __atomic_load_n(&session->shown, __ATOMIC_ACQUIRE) == 0)
        show_end(session);
    return error;
}

static void session_main(void *argument)
{
    struct session *session = argument;
    int error = run(session);
    if (error != 0 && session->id == CONTAINER_FIRST_SESSION)
        first_is(FIRST_FAILED);
    if (error != 0)
        refuse(session, error);
    rt_lock(&sessions_lock);
    list_remove(&session->link);
    rt_unlock(&sessions_lock);
    session_put(session);
    commands_go_on(); /* its input needs no room any more */
    vcpu_exit();
}

/* Nothing of it runs. */
static void session_close(struct session *session)
{
    file_table_put(session->files);
    if (session->terminal != NULL)
        terminal_close(session->terminal);
}

int session_start(uint32_t id, struct container_texts *texts_taken)
{
    struct session *session = heap_alloc(sizeof(*session));
    struct vcpu *vcpu;
    if (session == NULL) {
        container_texts_free(texts_taken);
        return -ENOMEM;
    }
    *session = (struct session){ .id = id, .references = 1, .texts = *texts_taken };
    list_init(&session->link);
    *texts_taken = (struct container_texts){ 0 };
    int error = session_open(session);
    if (error == 0) {
        error = vcpu_create(session_main, session, NULL, &vcpu);
        if (error != 0)
            session_close(session);
    }
    if (error != 0) {
        session_put(session);
        return error;
    }
    rt_lock(&sessions_lock);
    list_push_back(&sessions, &session->link);
    rt_unlock(&sessions_lock);
    vcpu_start(vcpu);
    return 0;
}
