/* A small world to test capabilities in: budgets, tables, and objects of a type that can be told
 * how to behave.
 */
#pragma once

#include "cap_impl.h"
#include <kernel/test.h>

enum { WORLD_TABLES = 3 };

struct thing {
    struct object object; /* first */
    uint32_t detach_work; /* units that detaching a capability takes */
    uint32_t retire_work; /* the same for retiring */
    uint32_t drain_work;  /* and for what is left then */
    uint32_t detached;    /* how often that was done */
    uint32_t orphaned;
    uint32_t destroyed;
};

struct world {
    struct budget *root; /* pays for nothing but the others */
    struct budget *budget;
    struct cspace table[WORLD_TABLES];
};

extern uint32_t things_alive, things_drained /* slices */;

struct thing *thing_create(enum object_type type, struct budget *payer);
/* False if there is no memory for it. */
bool world_create(struct world *world);
void world_destroy(struct world *world);
/* A capability to a new endpoint that holds all rights; its reference is the table's alone. */
uint64_t world_endpoint(struct world *world, unsigned table);
struct thing *world_thing(struct world *world, unsigned table, uint64_t handle);

uint64_t budget_used(const struct budget *budget, enum budget_kind kind);
/* With as much work as it takes. */
enum status close_all(struct cspace *cspace, uint64_t handle);
enum status revoke_all(struct cspace *cspace, uint64_t handle);
enum status copy_plain(struct cspace *from, uint64_t handle, struct cspace *to,
                       uint64_t *handle_out);
bool handle_works(struct cspace *cspace, uint64_t handle);
