/* Grace periods: memory that a CPU may still be looking at is freed when none can be.
 *
 * A lookup takes no lock and counts no reference: what it found may be used until this kernel exit.
 * So whoever takes something out of reach may not free it at once. The kernel runs with interrupts
 * masked; a CPU that takes an interrupt was in user mode or idle, and has forgotten whatever it
 * found before. When every CPU has taken one, a grace period is over. It costs readers nothing.
 *
 * Nodes are collected until there are enough of them or somebody asks (grace_request).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct grace_node {
    struct grace_node *next;
    void (*free)(struct grace_node *node);
};

/* Whether frees wait. They need not while there are no user threads. */
void grace_enable(bool enable);

/* Call `free` after a grace period, from an interrupt, with no lock held. Any context, below
 * RANK_GRACE. */
void grace_call(struct grace_node *node, void (*free)(struct grace_node *node));

/* Begin a grace period soon. grace_done of the result says when it is over and all nodes that were
 * given before have been freed.
 */
uint64_t grace_request(void);
bool grace_done(uint64_t ticket);

/* True if so much waits that who makes more should wait first: nobody pays for it. Asks for a grace
 * period then.
 */
bool grace_crowded(void);

/* This CPU took an interrupt. */
void grace_interrupt(void);
