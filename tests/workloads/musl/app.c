#define _GNU_SOURCE
#include <arpa/inet.h>
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
extern char **environ;
#undef assert
#define assert(c)                                                                                  \
    do {                                                                                           \
        if (!(c)) {                                                                                \
            fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #c, errno);                      \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
static int n;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cv = PTHREAD_COND_INITIALIZER;
static volatile sig_atomic_t got;

static void *inc(void *a)
{
    for (int i = 0; i < 5000; i++) {
        pthread_mutex_lock(&m);
        n++;
        pthread_cond_signal(&cv);
        pthread_mutex_unlock(&m);
    }
    return a;
}

static void *slow(void *a)
{
    for (;;)
        sleep(1);
    return a;
}

static void h(int s)
{
    got = s;
}

static char d[] = "/tmp/muslXXXXXX", b[9000];
static sigset_t sset;

static void files(void)
{
    struct stat st;
    assert(mkdtemp(d) && !chdir(d));
    FILE *f = fopen("a", "w+");
    for (int i = 0; i < 3000; i++)
        fprintf(f, "line %d\n", i);
    fflush(f);
    rewind(f);
    assert(fgets(b, 100, f));
    assert(!fseek(f, 0, SEEK_END) && ftell(f) > 1000);
    fclose(f);
    assert(!rename("a", "b") && !stat("b", &st) && !symlink("b", "c") && !link("b", "e") &&
           !chmod("b", 0600) && !truncate("b", 10) && !access("b", R_OK) && !mkdir("dd", 0755) &&
           !rmdir("dd"));
    DIR *dp = opendir(".");
    int k = 0;
    while (readdir(dp))
        k++;
    closedir(dp);
    assert(k == 5);
    struct timespec ts[2] = { { 1, 0 }, { 2, 0 } };
    assert(!utimensat(AT_FDCWD, "b", ts, 0));
    struct statvfs sv;
    assert(!statvfs(".", &sv));
    int fd = open("b", O_RDWR | O_CLOEXEC);
    assert(pwrite(fd, "x", 1, 5000) == 1 && pread(fd, b, 1, 5000) == 1 && !fsync(fd) &&
           !ftruncate(fd, 8192));
    char *mm = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    mm[1] = 2;
    assert(!msync(mm, 8192, MS_SYNC) && !munmap(mm, 8192));
    struct flock fl = { .l_type = F_WRLCK };
    assert(!fcntl(fd, F_SETLK, &fl));
    assert(realpath("c", b) && getcwd(b, sizeof b));
    close(fd);
}

static void heap(void)
{
    void *q[200];
    for (int i = 0; i < 200; i++)
        q[i] = malloc(i * 1000 + 1);
    for (int i = 0; i < 200; i++)
        q[i] = realloc(q[i], i * 2000 + 1);
    for (int i = 0; i < 200; i++)
        free(q[i]);
}

static void threads(void)
{
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        assert(!pthread_create(t + i, 0, inc, 0));
    pthread_mutex_lock(&m);
    while (n < 20000) {
        struct timespec x;
        clock_gettime(CLOCK_REALTIME, &x);
        x.tv_nsec += 1000000;
        if (x.tv_nsec > 999999999)
            x.tv_sec++, x.tv_nsec -= 1000000000;
        pthread_cond_timedwait(&cv, &m, &x);
    }
    pthread_mutex_unlock(&m);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], 0);
    pthread_create(t, 0, slow, 0);
    usleep(10000);
    pthread_cancel(t[0]);
    pthread_join(t[0], 0);
    pthread_setname_np(pthread_self(), "musl");
    pthread_create(t, 0, slow, 0);
    pthread_detach(t[0]);
    sem_t se;
    sem_init(&se, 0, 0);
    struct timespec x;
    clock_gettime(CLOCK_REALTIME, &x);
    assert(sem_timedwait(&se, &x) < 0);
}

static void signals(void)
{
    int s;
    struct sigaction sa = { .sa_handler = h };
    sigaction(SIGUSR1, &sa, 0);
    sigaction(SIGALRM, &sa, 0);
    raise(SIGUSR1);
    assert(got == SIGUSR1);
    stack_t ss = { .ss_sp = malloc(65536), .ss_size = 65536 };
    assert(!sigaltstack(&ss, 0));
    struct itimerval it = { .it_value.tv_usec = 10000 };
    setitimer(ITIMER_REAL, &it, 0);
    pause();
    assert(got == SIGALRM);
    timer_t tm;
    struct sigevent sg = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    assert(!timer_create(CLOCK_MONOTONIC, &sg, &tm));
    timer_delete(tm);
    sigemptyset(&sset);
    sigaddset(&sset, SIGUSR2);
    sigprocmask(SIG_BLOCK, &sset, 0);
    raise(SIGUSR2);
    assert(sigwait(&sset, &s) == 0 && s == SIGUSR2);
    sigprocmask(SIG_UNBLOCK, &sset, 0);
}

static void children(void)
{
    int p[2], s;
    assert(!pipe(p));
    pid_t c = fork();
    if (!c) {
        write(p[1], "kid", 3);
        _exit(6);
    }
    assert(read(p[0], b, 9) == 3 && waitpid(c, &s, 0) == c && WEXITSTATUS(s) == 6);
    char *av[] = { "true", 0 };
    assert(!posix_spawn(&c, "/bin/true", 0, 0, av, environ) && waitpid(c, &s, 0) == c && !s);
    assert(system("exit 3") >> 8 == 3);
    FILE *f = popen("echo hi", "r");
    assert(fgets(b, 9, f));
    pclose(f);
    c = vfork();
    if (!c) {
        execl("/bin/true", "true", (char *)0);
        _exit(1);
    }
    waitpid(c, &s, 0);
}

static void network(void)
{
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t al = sizeof a;
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, 4);
    assert(!bind(l, (void *)&a, al) && !listen(l, 5) && !getsockname(l, (void *)&a, &al));
    int cl = socket(AF_INET, SOCK_STREAM, 0);
    assert(!connect(cl, (void *)&a, al));
    int sv2 = accept4(l, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert(send(cl, "z", 1, MSG_NOSIGNAL) == 1);
    struct pollfd pf = { sv2, POLLIN, 0 };
    assert(poll(&pf, 1, 1000) == 1);
    fd_set fs;
    FD_ZERO(&fs);
    FD_SET(sv2, &fs);
    struct timeval tv = { 1, 0 };
    assert(select(sv2 + 1, &fs, 0, 0, &tv) == 1 && recv(sv2, b, 9, 0) == 1);
    shutdown(cl, SHUT_WR);
    struct addrinfo *ai;
    assert(!getaddrinfo("localhost", "80", 0, &ai));
    freeaddrinfo(ai);
}

static void events(void)
{
    int ep = epoll_create1(EPOLL_CLOEXEC), ev = eventfd(1, EFD_NONBLOCK),
        tf = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), sf = signalfd(-1, &sset, SFD_CLOEXEC);
    struct epoll_event ee = { .events = EPOLLIN | EPOLLET };
    struct itimerspec is = { .it_value.tv_nsec = 1000000 };
    assert(sf >= 0 && !timerfd_settime(tf, 0, &is, 0) && !epoll_ctl(ep, EPOLL_CTL_ADD, ev, &ee) &&
           !epoll_ctl(ep, EPOLL_CTL_ADD, tf, &ee) && epoll_wait(ep, &ee, 1, 1000) == 1);
    int spr[2];
    assert(!socketpair(AF_UNIX, SOCK_STREAM, 0, spr));
}

static void machine(void)
{
    assert(getpwuid(0));
    struct utsname u;
    uname(&u);
    gethostname(b, 100);
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    sysconf(_SC_NPROCESSORS_ONLN);
    sysconf(_SC_PHYS_PAGES);
    time_t now = time(0);
    assert(localtime(&now));
    isatty(1);
    char *e = getenv("PATH");
    assert(e);
    FILE *f = tmpfile();
    assert(f);
    setvbuf(f, 0, _IONBF, 0);
    fputs("q", f);
    fclose(f);
    int sh = shm_open("/musl-x", O_CREAT | O_RDWR, 0600);
    if (sh >= 0)
        shm_unlink("/musl-x");
}

int main(void)
{
    files();
    heap();
    threads();
    signals();
    children();
    network();
    events();
    machine();
    chdir("/");
    snprintf(b, sizeof b, "rm -rf %s", d);
    system(b);
    puts("ok");
    return 0;
}
