/* execve(2): everything that can fail first, in a new address space; then the change. */
#include "exec_impl.h"
#include <base/fmt.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/fcntl.h>
#include <linux/calls.h>
#include <linux/exec.h>
#include <linux/file_impl.h>
#include <linux/frame.h>
#include <linux/heap.h>
#include <linux/node.h>

/* ---- Scripts ---- */

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* "#!", blanks, the interpreter's name, blanks, the rest as one argument. Cut at the buffer's end,
 * which a name may not reach. */
static int script_parse(char *line, char **interpreter_out, char **argument_out)
{
    line[SCRIPT_BYTES - 1] = 0;
    char *end = strchr(line, '\n');
    bool cut = end == NULL && strlen(line) == SCRIPT_BYTES - 1;
    if (end != NULL)
        *end = 0;
    char *at = line + 2;
    while (blank(*at))
        at++;
    *interpreter_out = at;
    while (*at != 0 && !blank(*at))
        at++;
    if (at == *interpreter_out || (cut && *at == 0))
        return -ENOEXEC;
    bool more = *at != 0;
    *at = 0;
    char *argument = at + (more ? 1 : 0);
    while (blank(*argument))
        argument++;
    size_t length = strlen(argument);
    while (length > 0 && blank(argument[length - 1]))
        argument[--length] = 0;
    *argument_out = length == 0 ? NULL : argument;
    return 0;
}

/* The arguments become: interpreter, its argument, the script's name, and all but the first that
 * there were. */
static int script_arguments(struct program *program, const char *interpreter, const char *argument,
                            const char *script)
{
    texts_drop_first(&program->arguments);
    int error = texts_add_front(&program->arguments, script);
    if (error == 0 && argument != NULL)
        error = texts_add_front(&program->arguments, argument);
    if (error == 0)
        error = texts_add_front(&program->arguments, interpreter);
    return error;
}

/* ---- Opening ---- */

static int read_beginning(struct program *program)
{
    uint64_t position = 0;
    int64_t got =
        file_read_own(program->file, program->beginning, sizeof(program->beginning), &position);
    if (got < 0)
        return (int)got;
    memset(program->beginning + got, 0, sizeof(program->beginning) - (size_t)got);
    return 0;
}

int program_open(struct program *program, const struct path *path, struct file **file_out)
{
    program->secret = program->secret || path_permission(path, MAY_READ) != 0;
    return file_open_program(path, file_out);
}

static int open_path(struct program *program, const struct path *path)
{
    file_put(program->file);
    program->file = NULL;
    int error = program_open(program, path, &program->file);
    return error != 0 ? error : read_beginning(program);
}

static int open_name(struct program *program, const char *name)
{
    struct path path;
    int error = path_find(AT_FDCWD, name, LOOKUP_FOLLOW, &path);
    if (error != 0)
        return error;
    error = open_path(program, &path);
    path_put(&path);
    return error;
}

static bool is_script(const struct program *program)
{
    return program->beginning[0] == '#' && program->beginning[1] == '!';
}

/* From a script to what interprets it, which may be a script again. */
static int open_interpreters(struct program *program)
{
    int error = 0;
    char *script = heap_copy_text(program->name);
    if (script == NULL)
        return -ENOMEM;
    for (unsigned depth = 0; error == 0 && is_script(program); depth++) {
        char *interpreter;
        char *argument;
        char *line = (char *)program->beginning;
        error = depth == SCRIPT_DEPTH_MAX ? -ELOOP : script_parse(line, &interpreter, &argument);
        if (error == 0 && program->name_closes)
            error = -ENOENT; /* the interpreter could not open it */
        if (error == 0)
            error = script_arguments(program, interpreter, argument, script);
        if (error != 0)
            break;
        heap_free(script);
        script = heap_copy_text(interpreter);
        error = script == NULL ? -ENOMEM : open_name(program, script);
    }
    heap_free(script);
    return error;
}

/* ---- The whole ---- */

static const char *last_part(const char *name)
{
    const char *last = name;
    for (; *name != 0; name++) {
        if (*name == '/')
            last = name + 1;
    }
    return last;
}

static int build(struct program *program)
{
    struct program_gifts gifts;
    int error = program_gifts_of(program->file, &gifts);
    if (error == 0)
        error = cred_for_exec(&gifts, &program->cred, &program->secure);
    if (error == 0)
        error = mm_create(&program->mm);
    if (error == 0)
        program_place(program->mm);
    if (error == 0)
        error = vdso_map(program->mm, &program->mm->vdso);
    if (error == 0)
        error = program_load(program);
    if (error == 0)
        error = program_stack(program);
    return error;
}

/* From here on the old program is gone. */
static int change(struct program *program)
{
    struct task *self = task_self();
    struct exec_change change;
    int error = task_exec_begin(program->cred, program->secret, &change);
    if (error != 0)
        return error;
    struct mm *mm = program->mm;
    struct cred *cred = program->cred;
    mm->executable = program->file;
    program->file = NULL;
    program->mm = NULL;
    program->cred = NULL;
    registers_begin(&vcpu_state(self->vcpu)->registers, program->entry, program->stack);
    self->call_number = -1; /* the registers are no call's that could be made again */
    task_exec_commit(&change, mm, cred, last_part(program->name));
    return 0;
}

static void program_end(struct program *program)
{
    file_put(program->file);
    mm_put(program->mm);
    if (program->cred != NULL)
        cred_put(program->cred);
    heap_free(program->name);
    texts_free(&program->arguments);
    texts_free(&program->environment);
}

/* The file is open, arguments and environment are there. */
static int execute(struct program *program)
{
    int error = 0;
    if (program->arguments.count == 0)
        error = texts_add(&program->arguments, "");
    if (error == 0)
        error = open_interpreters(program);
    if (error == 0)
        error = build(program);
    return error != 0 ? error : change(program);
}

static int texts_of(struct texts *texts, const char *const *list)
{
    int error = 0;
    for (; error == 0 && *list != NULL; list++)
        error = texts_add(texts, *list);
    return error;
}

int program_execute(const char *path, const char *const *arguments, const char *const *environment)
{
    struct program program = { .name = heap_copy_text(path) };
    int error = program.name == NULL ? -ENOMEM : open_name(&program, path);
    if (error == 0)
        error = texts_of(&program.arguments, arguments);
    if (error == 0)
        error = texts_of(&program.environment, environment);
    if (error == 0)
        error = execute(&program);
    program_end(&program);
    return error;
}

/* ---- The calls ---- */

/* A quarter of the stack that there may be, within bounds. */
static uint64_t texts_limit(void)
{
    uint64_t quarter = resource_limit(RLIMIT_STACK) / 4;
    return MAX(MIN(quarter, (uint64_t)6 << 20), (uint64_t)TEXT_BYTES_MAX);
}

/* execveat of a descriptor: /dev/fd/N, and the rest of the name if there is one. */
static int name_program(struct program *program, int directory, uaddr_t name)
{
    enum { PATH_BYTES = 4096, PREFIX_BYTES = 24 };
    char *text = heap_alloc(PATH_BYTES + PREFIX_BYTES);
    if (text == NULL)
        return -ENOMEM;
    int64_t length = copy_in_text(text, name, PATH_BYTES);
    if (length >= 0 && directory != AT_FDCWD && text[0] != '/') {
        char prefix[PREFIX_BYTES];
        size_t prefix_length =
            format_text(prefix, sizeof(prefix), "/dev/fd/%d%s", directory, length == 0 ? "" : "/");
        memmove(text + prefix_length, text, (size_t)length + 1);
        memcpy(text, prefix, prefix_length);
        int closes = fd_flags(directory);
        program->name_closes = closes >= 0 && ((unsigned)closes & FD_CLOSE_ON_EXEC) != 0;
    }
    program->name = text;
    return length < 0 ? (int)length : 0;
}

static int64_t execute_call(int directory, uaddr_t name, uaddr_t arguments, uaddr_t environment,
                            unsigned lookup)
{
    struct program program = { 0 };
    struct path path;
    int error = name_program(&program, directory, name);
    if (error == 0)
        error = path_find_user(directory, name, lookup, &path);
    if (error == 0) {
        error = open_path(&program, &path);
        path_put(&path);
    }
    uint64_t limit = texts_limit();
    if (error == 0)
        error = texts_from_guest(&program.arguments, arguments, limit);
    if (error == 0)
        error = texts_from_guest(&program.environment, environment,
                                 limit - MIN(limit, program.arguments.size_bytes));
    if (error == 0)
        error = execute(&program);
    program_end(&program);
    return error != 0 ? error : registers_result(&vcpu_state(task_self()->vcpu)->registers);
}

int64_t linux_execve(uaddr_t name, uaddr_t arguments, uaddr_t environment)
{
    return execute_call(AT_FDCWD, name, arguments, environment, LOOKUP_FOLLOW);
}

int64_t linux_execveat(int directory, uaddr_t name, uaddr_t arguments, uaddr_t environment,
                       int flags)
{
    uint32_t bits = (uint32_t)flags;
    if ((bits & ~(uint32_t)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0)
        return -EINVAL;
    unsigned lookup = ((bits & AT_EMPTY_PATH) != 0 ? LOOKUP_EMPTY : 0) |
                      ((bits & AT_SYMLINK_NOFOLLOW) != 0 ? 0 : LOOKUP_FOLLOW);
    return execute_call(directory, name, arguments, environment, lookup);
}
