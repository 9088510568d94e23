/* Where an object signals what happens to it: an interrupt, a death, a limit that was crossed.
 *
 * Locking: [L] the notification's lock   [A] atomic
 */
#pragma once

#include <base/list.h>
#include <base/status.h>

struct notification;

/* Part of an object that signals: where to, and what. It goes away on either side without the other
 * one's help. Zeroed, it signals nobody.
 */
struct signal_target {
    struct notification *notification; /* [A] written under the notification's lock; NULL: none */
    uint64_t bits;                     /* [A] */
    struct list node;                  /* [L] of the notification */
};

/* From now on signal_target_fire signals `bits` there; what was bound before is forgotten. The
 * caller keeps others from doing the same. ERR_DEAD: nothing is bound then.
 */
enum status signal_target_bind(struct signal_target *target, struct notification *notification,
                               uint64_t bits);
/* Signals nobody from now on; a signal on another CPU may be on its way. */
void signal_target_clear(struct signal_target *target);
/* Any context, as notification_signal. */
void signal_target_fire(struct signal_target *target);
