/* Timers: something is called when a time has come, by a thread that does nothing else. Alarms,
 * POSIX timers and timerfd are made of them.
 *
 * The thread starts with the first timer. Deadlines are machine_now_ns's.
 */
#pragma once

#include <base/tree.h>
#include <stdbool.h>
#include <stdint.h>

struct timer {
    struct tree_node node;
    uint64_t deadline_ns;
    /* On the timers' thread, with no lock held, and task_self() NULL. It may start it again. */
    void (*expire)(struct timer *timer);
};

void timer_init(struct timer *timer, void (*expire)(struct timer *timer));
/* Also of one that runs already: it gets the new deadline. -ENOMEM: there is no thread for it. */
int timer_start(struct timer *timer, uint64_t deadline_ns);
/* It is neither waiting nor running `expire` when this returns (unless `expire` itself calls). The
 * caller holds no lock that `expire` takes. True if it was waiting. */
bool timer_stop(struct timer *timer);
