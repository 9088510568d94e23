/* probe AREA...: run the probes of these areas, or all. */
#include "probe.h"

#include <poll.h>
#include <stdarg.h>
#include <time.h>

/* Of one probe, before it is killed: nothing here waits for long. */
#define LIMIT_S 60

static struct probe *probes;

/* Sorted, since the order of constructors is the linker's. */
static int order(const struct probe *a, const struct probe *b)
{
    int by_area = strcmp(a->area, b->area);
    return by_area != 0 ? by_area : strcmp(a->name, b->name);
}

void probe_add(struct probe *probe)
{
    struct probe **at = &probes;
    while (*at != NULL && order(*at, probe) < 0)
        at = &(*at)->next;
    probe->next = *at;
    *at = probe;
}

void say(const char *format, ...)
{
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length > (int)sizeof line - 2)
        length = (int)sizeof line - 2;
    line[length++] = '\n';
    if (write(1, line, (size_t)length) != length)
        _exit(99);
}

long tried(const char *text, long result)
{
    if (result == -1)
        say("%s: %s", text, strerrorname_np(errno));
    else
        say("%s = %ld", text, result);
    return result;
}

long done(const char *text, long result)
{
    say("%s: %s", text, result == -1 ? strerrorname_np(errno) : "done");
    return result;
}

long must(const char *text, long result)
{
    if (result == -1) {
        say("FAILED %s: %s", text, strerrorname_np(errno));
        _exit(98);
    }
    return result;
}

pid_t child(int (*body)(void))
{
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0)
        _exit(body());
    return pid;
}

const char *signal_name(int number)
{
    static char text[4][16];
    static unsigned turn;
    char *name = text[turn++ % 4];
    if (sigabbrev_np(number) != NULL)
        snprintf(name, sizeof *text, "SIG%s", sigabbrev_np(number));
    else
        snprintf(name, sizeof *text, "signal %d", number);
    return name;
}

void told(int number)
{
    say("%s", signal_name(number));
}

void ready(const char *what, int fd)
{
    struct pollfd one = { fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0 };
    int count = poll(&one, 1, 0);
    say("%s: %d %#x", what, count, (unsigned)one.revents);
}

static void say_status(const char *who, int status)
{
    if (WIFEXITED(status))
        say("%s exited with %d", who, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        say("%s was ended by %s", who, signal_name(WTERMSIG(status)));
    else if (WIFSTOPPED(status))
        say("%s was stopped by %s", who, signal_name(WSTOPSIG(status)));
    else
        say("%s %s (%#x)", who, WIFCONTINUED(status) ? "continued" : "has an odd status", status);
}

int ended(const char *who, pid_t pid)
{
    int status = 0;
    if (waitpid(pid, &status, WUNTRACED | WCONTINUED) < 0)
        say("%s: wait: %s", who, strerrorname_np(errno));
    else
        say_status(who, status);
    return status;
}

int in_child(const char *who, int (*body)(void))
{
    return ended(who, child(body));
}

void write_text(const char *path, const char *text)
{
    int fd = (int)MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    MUST(write(fd, text, strlen(text)));
    close(fd);
}

const char *text_of(const char *path)
{
    static char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[length < 0 ? 0 : length] = 0;
    return text;
}

void nap_ms(unsigned ms)
{
    struct timespec pause = { ms / 1000, (long)(ms % 1000) * 1000000 };
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
        ;
}

bool sleeps(pid_t pid)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    for (int turn = 0; turn < 500; turn++) {
        const char *end = strrchr(text_of(path), ')');
        if (end != NULL && end[2] == 'S')
            return true;
        nap_ms(10);
    }
    return false;
}

/* Remove what a probe left, whatever its modes. */
static void tidy(const char *folder)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/busybox", "rm", "-rf", folder, NULL);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
}

static void run(const struct probe *probe)
{
    char folder[64];
    /* /mnt is a disk on Linux: its tmpfs has no user attributes before 6.6. */
    snprintf(folder, sizeof folder, "%s/probe.%s",
             strcmp(probe->area, "attributes") == 0 ? "/mnt" : "/tmp", probe->name);
    say("== %s.%s", probe->area, probe->name);
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0) {
        umask(022);
        setpgid(0, 0); /* not an orphaned group: its parent is of the same session */
        MUST(mkdir(folder, 0755));
        MUST(chdir(folder));
        alarm(LIMIT_S);
        probe->run();
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    if (status != 0)
        say_status("the probe", status);
    tidy(folder);
}

static bool wanted(const struct probe *probe, char **words)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", probe->area, probe->name);
    if (*words == NULL)
        return true;
    for (; *words != NULL; words++) {
        if (strcmp(*words, probe->area) == 0 || strcmp(*words, name) == 0)
            return true;
    }
    return false;
}

int main(int count, char **words)
{
    (void)count;
    setsid();
    for (const struct probe *probe = probes; probe != NULL; probe = probe->next) {
        if (wanted(probe, words + 1))
            run(probe);
    }
    return 0;
}
