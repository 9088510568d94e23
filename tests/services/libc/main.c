/* A program that uses what the C library promises: memory, threads, locks, local storage, time,
 * output. It says what is wrong, and at the end "libc: N passed, N failed".
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, TURNS = 2000, BLOCKS = 300 };

static unsigned passed;
static unsigned failed;

static void expect(bool promise, const char *what)
{
    if (promise)
        passed++;
    else
        failed++;
    if (!promise)
        printf("libc: failed: %s\n", what);
}

/* ---- Memory ---- */

static bool filled(const unsigned char *block, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++) {
        if (block[i] != value)
            return false;
    }
    return true;
}

static size_t size_of(unsigned index)
{
    return ((size_t)index * 997 % 4096 + 1) * (index % 17 == 0 ? 64 : 1);
}

static void memory(void)
{
    static unsigned char *block[BLOCKS];
    bool intact = true;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < BLOCKS; i++) {
            block[i] = malloc(size_of(i));
            intact = intact && block[i] != NULL;
            if (block[i] != NULL)
                memset(block[i], (int)(i & 0xff), size_of(i));
        }
        for (unsigned i = 0; i < BLOCKS; i++) {
            intact = intact && filled(block[i], size_of(i), (unsigned char)i);
            free(block[i]);
        }
    }
    expect(intact, "blocks keep what is written into them");

    unsigned char *zero = calloc(1, 1 << 20);
    expect(zero != NULL && filled(zero, 1 << 20, 0), "calloc gives zeroes");
    unsigned char *grown = realloc(zero, 3 << 20);
    expect(grown != NULL && filled(grown, 1 << 20, 0), "realloc keeps the contents");
    free(grown);
    void *volatile huge = malloc((size_t)1 << 40); /* volatile: else the compiler knows better */
    expect(huge == NULL, "too much is refused");
    void *aligned = aligned_alloc(65536, 65536);
    expect(aligned != NULL && (uintptr_t)aligned % 65536 == 0, "aligned_alloc aligns");
    free(aligned);
}

/* ---- Threads ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned long counter; /* under mutex */
static unsigned turn;         /* under mutex */
static _Thread_local unsigned long own_count;
static _Thread_local unsigned long own_initialised = 42;

static void *count(void *argument)
{
    bool fresh = own_count == 0 && own_initialised == 42;
    for (unsigned i = 0; i < TURNS; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
        own_count++;
        free(malloc(i + 1));
    }
    (void)argument;
    return (void *)(uintptr_t)(fresh && own_count == TURNS);
}

/* They take turns strictly, so each one waits for each other one. */
static void *take_turns(void *argument)
{
    unsigned me = (unsigned)(uintptr_t)argument;
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < TURNS / 20; i++) {
        while (turn % THREADS != me)
            pthread_cond_wait(&changed, &mutex);
        turn++;
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&mutex);
    return (void *)(uintptr_t)1;
}

static bool run_threads(void *(*function)(void *))
{
    pthread_t thread[THREADS];
    unsigned started = 0;
    bool good = true;
    for (; started < THREADS; started++) {
        void *argument = (void *)(uintptr_t)started;
        if (pthread_create(&thread[started], NULL, function, argument) != 0)
            break;
    }
    for (unsigned i = 0; i < started; i++) {
        void *result = NULL;
        good = pthread_join(thread[i], &result) == 0 && result != NULL && good;
    }
    return good && started == THREADS;
}

static void threads(void)
{
    expect(run_threads(count), "threads have storage of their own");
    expect(counter == (size_t)THREADS * TURNS, "a mutex keeps others out");
    expect(run_threads(take_turns), "condition variables wake those who wait");
    expect(turn == THREADS * (TURNS / 20), "each had its turns");
    bool good = true;
    for (unsigned i = 0; i < 20; i++)
        good = run_threads(take_turns) && good;
    expect(good, "threads come and go");
}

static atomic_uint detached_done;
static pthread_key_t key;
static atomic_uint destroyed;

static void *detached(void *argument)
{
    (void)argument;
    pthread_setspecific(key, &destroyed);
    atomic_fetch_add(&detached_done, 1);
    return NULL;
}

static void key_destructor(void *value)
{
    atomic_fetch_add((atomic_uint *)value, 1);
}

static void detached_threads(void)
{
    pthread_attr_t attributes;
    unsigned started = 0;
    pthread_key_create(&key, key_destructor);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (unsigned i = 0; i < 4 * THREADS; i++) {
        pthread_t thread;
        started += pthread_create(&thread, &attributes, detached, NULL) == 0;
        while (atomic_load(&detached_done) < started)
            usleep(500);
    }
    while (atomic_load(&destroyed) < started)
        usleep(500);
    expect(started == 4 * THREADS, "detached threads run, and their keys are destroyed");
}

static void timed_waiting(void)
{
    struct timespec until;
    pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 5000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&mutex);
    expect(pthread_cond_timedwait(&never, &mutex, &until) == ETIMEDOUT, "waiting ends in time");
    pthread_mutex_unlock(&mutex);
}

/* ---- The rest ---- */

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void time_passes(void)
{
    long long before = now_ns();
    usleep(20000);
    long long passed_ns = now_ns() - before;
    expect(passed_ns >= 20000000, "a sleep lasts as long as was asked");
    expect(passed_ns < 5000000000LL, "and not for ever");
}

static void text_and_numbers(void)
{
    char text[80];
    (void)snprintf(text, sizeof(text), "%s %d %.3f %Lg %zx", "text", -7, 1.0 / 3, (long double)2.5,
                   (size_t)255);
    expect(strcmp(text, "text -7 0.333 2.5 ff") == 0, "printf formats");
    expect(strtod("0x1.8p3", NULL) == 12.0, "strtod reads");
    volatile double two = 2;
    expect(fabs(sqrt(two) - 1.41421356237) < 1e-9, "sqrt computes");
}

static void what_is_not_there(void)
{
    unsigned char random[2][32] = { { 0 } };
    expect(getrandom(random[0], 32, 0) == 32 && getrandom(random[1], 32, 0) == 32 &&
               memcmp(random[0], random[1], 32) != 0,
           "random bytes differ");
    errno = 0;
    expect(fopen("/etc/passwd", "r") == NULL && errno == ENOENT, "there are no files");
    expect(write(3, "x", 1) == -1 && errno == EBADF, "there is no fourth descriptor");
    expect(getchar() == EOF, "input is empty");
}

int main(int count_of_words, char **words)
{
    expect(count_of_words == 1 && words[0][0] != '\0', "a program knows its name");
    memory();
    threads();
    detached_threads();
    timed_waiting();
    time_passes();
    text_and_numbers();
    what_is_not_there();
    printf("libc: %u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
