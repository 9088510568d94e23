/* What guest execution adds to a thread (kernel/guest.h). */
#pragma once

#include <arch/guest.h>
#include <base/list.h>
#include <stdbool.h>

struct guest;
struct memory;
struct vspace;

enum guest_pending {
    GUEST_PENDING_KICK = 1 << 0, /* come back, now or at the next entry */
    GUEST_PENDING_LEAVE = 1 << 1 /* the guest is gone */
};

/* [G] the lock of `guest`, and written only by the thread itself or while it is on no CPU
 * [O] the CPU that runs it   [A] atomic
 */
struct guest_thread {
    struct guest *guest;       /* [G] counted: the one whose memory it sees; NULL: none */
    struct vspace *vspace;     /* [G] the guest's */
    struct list node;          /* [G] in guest.threads */
    struct guest_state *state; /* [O] its state page in the direct map; NULL: none */
    struct memory *memory;     /* [O] counted and pinned: whose page that is; NULL in some tests */
    struct arch_guest arch;    /* [O] what the sandbox finds again */
    bool inside;               /* [O] the frame has the guest's registers */
};
