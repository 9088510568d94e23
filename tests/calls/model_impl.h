/* What the parts of the model share (model.h). */
#pragma once

#include "model.h"

/* ---- Capabilities and accounts (model.c) ---- */

struct model_verdict just(enum status status);
/* The object that `handle` names in a table, with rights. OBJECT_ANY: of any type. */
enum status look_up(const struct model *model, int table, uint64_t handle, enum object_type type,
                    uint32_t rights, int *object_out);
/* One more capability in a table: OK, LIMIT, DEAD. */
struct model_verdict may_add(const struct model *model, int table);
void grow_table(struct model *model, int table);
void close_capability(struct model *model, int capability);
unsigned depth_of(const struct model *model, int capability);

/* ---- Messages and signals (model_ipc.c) ---- */

bool model_knows_ipc(unsigned number);
struct model_verdict model_ipc(struct model *model, int thread, unsigned number);
/* The capability is gone. */
void end_waits_through(struct model *model, int capability);
/* No capability for the object is one to receive. */
bool cannot_be_received(const struct model *model, int object);
/* One of the object's capabilities is gone. */
void capability_left(struct model *model, int object);
/* An object that nobody names any more. */
void retire(struct model *model, int object);
void kill_thread(struct model *model, int thread);
/* Of a process, which then tells that it has none. */
void kill_threads(struct model *model, int process);
