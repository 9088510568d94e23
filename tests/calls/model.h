/* What system calls should do, slowly and obviously: flat lists of objects and of capabilities,
 * each capability with the number of the one that it was derived from, and accounts that are summed
 * up from all there is whenever somebody asks. It shares no code with the kernel but the tables of
 * rights.
 */
#pragma once

#include <base/object_type.h>
#include <base/status.h>
#include <kernel/cspace.h>

enum {
    MODEL_OBJECTS = 300,
    MODEL_CAPABILITIES = 900,
    MODEL_SLOTS = 1024, /* of a table, whose generations are remembered */
    MODEL_NONE = -1,
};

struct model_object {
    bool used; /* its storage is there */
    enum object_type type;
    struct object *kernel; /* borrowed, as long as it is used */
    uint64_t id;
    int payer; /* a budget; MODEL_NONE: nobody */
    bool held; /* by the test */
    bool ended;
    /* A budget. */
    bool dying;
    uint64_t limit[BUDGET_KINDS];
    /* A process. */
    uint64_t base_bytes;  /* what is charged for an empty one */
    uint32_t table_pages; /* of slots */
    uint32_t generation[MODEL_SLOTS];
};

struct model_capability {
    bool used;
    int object;
    int table; /* a process */
    uint64_t handle;
    uint32_t rights;
    uint64_t badge;
    uint64_t origin;
    int parent; /* MODEL_NONE: a root */
};

/* What is known by measurement of what is not modelled. */
struct model_costs {
    bool known[OBJECT_TYPE_COUNT];
    uint64_t bytes[OBJECT_TYPE_COUNT]; /* a new object's, all in all */
    uint64_t ended_process_bytes;      /* what is left when it has ended and is still named */
};

struct model {
    struct model_costs costs;
    struct model_object object[MODEL_OBJECTS];
    struct model_capability capability[MODEL_CAPABILITIES];
};

/* What a call should return, and `or` if that depends on what the model does not know. If it should
 * be OK, the model is as after the call, but for handles and objects that the kernel chooses.
 */
struct model_verdict {
    enum status status;
    enum status or ;
    int made; /* capability: model_made must be told its handle; or MODEL_NONE */
};

/* The calls that it knows. */
bool model_knows(unsigned number);
/* `writable(at, size)` tells whether the caller may write there. */
struct model_verdict model_call(struct model *model, int process, unsigned number,
                                const uint64_t words[6],
                                bool (*writable)(uint64_t at, uint64_t size_bytes));
/* The kernel made capability `made`: false if the handle is none, or was one before. */
bool model_made(struct model *model, int made, uint64_t handle, struct object *kernel);

int model_new_object(struct model *model, enum object_type type, int payer);
int model_new_capability(struct model *model, int table, int object, uint32_t rights);
int model_find(const struct model *model, int table, uint64_t handle);
int model_object_of(const struct model *model, const struct object *kernel);
uint64_t model_used(const struct model *model, int budget, enum budget_kind kind);
uint64_t model_count_of(const struct model *model, int object);
bool model_has_room(const struct model *model);
