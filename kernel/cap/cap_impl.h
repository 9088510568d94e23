/* What the files of this folder share. */
#pragma once

#include <kernel/cspace.h>

enum { SLOT_END = UINT32_MAX };

/* ---- The table (cspace.c) ---- */

/* What the slot of `handle` holds; NULL if the handle is stale or the slot is reserved. */
struct capability *cspace_find(const struct cspace *cspace, uint64_t handle) REQUIRES(cspace->lock);
/* Charge for one more capability and keep a slot for it. From then until it is installed and
 * removed, or given up, the table is not cleared. */
enum status cspace_reserve(struct cspace *cspace, uint64_t *handle_out);
void cspace_install(struct cspace *cspace, uint64_t handle, struct capability *capability);
/* Take out what is installed; the slot stays reserved. */
void cspace_withdraw(struct cspace *cspace, uint64_t handle);
/* Give up a slot, reserved or filled. Nothing of the table may be touched afterwards. */
void cspace_unreserve(struct cspace *cspace, uint64_t handle);

/* ---- The forest (capability.c), with the object's lock held ---- */

/* Remove what was derived from `capability`, or everything if that is NULL, leaves first. */
enum status capability_remove_below(struct object *object, struct capability *capability,
                                    struct work *work);

/* ---- Budgets (budget.c) ---- */

/* Charge what the object costs and take it, with a reference to the budget, into its list. */
enum status budget_adopt(struct budget *payer, struct object *object);
/* Out of the list. Charge and reference are still the caller's to give back. */
void budget_disown(struct budget *payer, struct object *object);
