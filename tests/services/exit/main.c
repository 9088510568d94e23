/* exit: the ends of programs, one for each name that the manifest gives it.
 *
 *   returns    from main, with 0, while another thread runs
 *   fails      by exit(1), called by another thread than the first
 *   protected  by a write to a constant that holds an address (PT_GNU_RELRO)
 */
#include <protocol_supervisor.h>
#include <pthread.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/startup.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int target;
static int *const relocated[] = { &target };

/* Whoever still runs after the end says so. */
static void *run_on(void *argument)
{
    (void)argument;
    for (unsigned i = 0;; i++) {
        struct timespec tick = { .tv_nsec = 50L * 1000 * 1000 };
        (void)nanosleep(&tick, NULL);
        rt_log("still here %u", i);
    }
    return NULL;
}

static void *leave(void *argument)
{
    (void)argument;
    exit(1);
}

static bool begin(void *(*function)(void *))
{
    pthread_t thread;
    return pthread_create(&thread, NULL, function, NULL) == 0;
}

int main(void)
{
    const char *name = rt_startup()->name;
    if (supervisor_call_ready(rt_handle(STARTUP_SUPERVISOR), DEADLINE_NEVER) != OK ||
        !begin(run_on))
        return 1;
    if (strcmp(name, "returns") == 0)
        return 0;
    if (strcmp(name, "fails") == 0 && begin(leave))
        (void)run_on(NULL);
    int *volatile *where = (int *volatile *)(uintptr_t)&relocated[0];
    rt_log("the address reads %s", *where == &target ? "right" : "wrong");
    *where = NULL;
    rt_log("it could be written");
    return 0;
}
