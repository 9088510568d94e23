/* Who pays: a tree of accounts for memory, capabilities and threads.
 *
 * A charge is booked on the account and on every one above it, or on none. Hard limits are never
 * exceeded, not for a moment. While a charge that fails higher up is taken back below, another may
 * see its limit reached and fail too: limits err on the safe side.
 *
 * Charging takes no lock and uncharging never fails and never allocates, but both may take the
 * lock where a soft limit is crossed: hold none of RANK_BUDGET or above.
 *
 * Locking:  [L] under lock   [A] atomic   [C] constant
 * Lifetime: a budget is an object that its parent pays for; everything that it pays for refers to
 *           it.
 */
#pragma once

#include <kernel/object.h>
#include <kernel/share.h>
#include <kernel/signal_target.h>
#include <object_info.h>

struct frame;

enum budget_kind { BUDGET_MEMORY /* bytes */, BUDGET_CAPABILITIES, BUDGET_THREADS, BUDGET_KINDS };

enum { BUDGET_DEPTH_MAX = 16 };
#define BUDGET_UNLIMITED UINT64_MAX

struct budget_account {
    uint64_t used;  /* [A] */
    uint64_t limit; /* [A] hard */
    uint64_t soft;  /* [A] */
    bool above;     /* [A] written under lock: it was told that use is above soft */
};

struct budget {
    struct object object; /* first; object.payer is the parent */
    struct spinlock lock;
    uint32_t depth;            /* [C] 1: has no parent */
    bool dying;                /* [A] new charges fail */
    struct list paid;          /* [L] object.paid_node, those that are retired at the end */
    struct signal_target soft; /* told when use rises above soft: once, until it is not above */
    struct budget_account account[BUDGET_KINDS];
    struct cpu_share share; /* CPU time */
};

/* A budget below `parent`, or the first of a tree if that is NULL, with no limits of its own. The
 * caller gets the reference. ERR_NO_MEMORY, ERR_DEAD, or ERR_LIMIT: the parent's, or the depth.
 */
enum status budget_create(struct budget *parent, struct budget **budget_out);
OBJECT_TYPE(budget);

/* True if it is `above` or below that: then it dies when `above` is destroyed. What refers to an
 * object for as long as it exists is paid for within the budget that paid for that object, or
 * others could keep that budget from ending.
 */
bool budget_is_within(const struct budget *budget, const struct budget *above);

/* ERR_LIMIT, or ERR_DEAD if it or one above it is being destroyed. NULL, nobody, has no limits. */
enum status budget_charge(struct budget *budget, enum budget_kind kind, uint64_t amount);
void budget_uncharge(struct budget *budget, enum budget_kind kind, uint64_t amount);

/* Storage that is charged for at once, from a cache or by the frame (`flags` of frame_alloc): the
 * payer's errors, or ERR_NO_MEMORY. A page is zeroed, and so is its frame's owner_word.
 */
enum status payer_alloc(struct budget *payer, struct slab_cache *cache, void *object_out);
void payer_free(struct budget *payer, struct slab_cache *cache, void *object_taken);
enum status payer_alloc_frame(struct budget *payer, unsigned flags, struct frame **frame_out);
void payer_free_frame(struct budget *payer, struct frame *frame_taken);
enum status payer_alloc_page(struct budget *payer, void *page_out);
void payer_free_page(struct budget *payer, void *page_taken);
/* It holds zeroes alone, and is given out as such again. */
void payer_free_zeroes(struct budget *payer, void *page_taken);

/* May be set below what is in use: then charges fail until enough is given back. */
void budget_limit(struct budget *budget, enum budget_kind kind, uint64_t limit);
/* What is above already is not reported: inspect after setting. */
void budget_limit_soft(struct budget *budget, enum budget_kind kind, uint64_t soft);
void budget_inspect(const struct budget *budget, struct object_info_budget *info_out);

/* Destroy everything that it and those below it paid for. In slices: ERR_WOULD_BLOCK says that
 * there is more to do, or that other CPUs still hold references that they are about to put. New
 * charges fail from the first call on. When OK, every account of it is at zero. No lock held.
 */
enum status budget_destroy(struct budget *budget, struct work *work);
