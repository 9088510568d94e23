/* The slow model of capabilities, processes and budgets (model.h). */
#include "model_impl.h"
#include <abi_syscalls.h>
#include <base/string.h>
#include <kernel/addr.h>
#include <object_info.h>

enum { INSPECT_MAX = 16, SLOTS_PER_TABLE_PAGE = PAGE_SIZE / sizeof(struct slot) };

/* ---- Lists ---- */

static int free_capability(const struct model *model)
{
    for (int i = 0; i < MODEL_CAPABILITIES; i++) {
        if (!model->capability[i].used)
            return i;
    }
    return MODEL_NONE;
}

static int free_object(const struct model *model)
{
    for (int i = 0; i < MODEL_OBJECTS; i++) {
        if (!model->object[i].used)
            return i;
    }
    return MODEL_NONE;
}

bool model_has_room(const struct model *model)
{
    return free_capability(model) != MODEL_NONE && free_object(model) != MODEL_NONE;
}

int model_find(const struct model *model, int table, uint64_t handle)
{
    for (int i = 0; i < MODEL_CAPABILITIES; i++) {
        const struct model_capability *it = &model->capability[i];
        if (it->used && it->table == table && it->handle == handle)
            return i;
    }
    return MODEL_NONE;
}

int model_object_of(const struct model *model, const struct object *kernel)
{
    for (int i = 0; i < MODEL_OBJECTS; i++) {
        if (model->object[i].used && model->object[i].kernel == kernel)
            return i;
    }
    return MODEL_NONE;
}

uint64_t model_count_of(const struct model *model, int object)
{
    uint64_t count = 0;

    for (int i = 0; i < MODEL_CAPABILITIES; i++)
        count += model->capability[i].used && model->capability[i].object == object;
    return count;
}

static uint64_t table_count(const struct model *model, int table)
{
    uint64_t count = 0;

    for (int i = 0; i < MODEL_CAPABILITIES; i++)
        count += model->capability[i].used && model->capability[i].table == table;
    return count;
}

static bool table_is_full(const struct model *model, int table)
{
    return table_count(model, table) ==
           (uint64_t)model->object[table].table_pages * SLOTS_PER_TABLE_PAGE;
}

/* ---- Accounts ---- */

/* What object `i` itself is charged for, in the accounts of its payer. */
static uint64_t own_use(const struct model *model, int i, enum budget_kind kind)
{
    const struct model_object *it = &model->object[i];

    if (it->type != OBJECT_PROCESS)
        return kind == BUDGET_MEMORY ? model->costs.bytes[it->type] : 0;
    if (kind == BUDGET_CAPABILITIES)
        return table_count(model, i);
    if (kind != BUDGET_MEMORY)
        return 0;
    if (it->ended)
        return model->costs.ended_process_bytes;
    return it->base_bytes + (uint64_t)it->table_pages * PAGE_SIZE +
           table_count(model, i) * sizeof(struct capability);
}

uint64_t model_used(const struct model *model, int budget, enum budget_kind kind)
{
    uint64_t sum = 0;

    for (int i = 0; i < MODEL_OBJECTS; i++) {
        const struct model_object *it = &model->object[i];
        if (!it->used || it->payer != budget)
            continue;
        sum += own_use(model, i, kind);
        if (it->type == OBJECT_BUDGET)
            sum += model_used(model, i, kind);
    }
    return sum;
}

static bool pays(const struct model *model, int budget, int object)
{
    int payer = model->object[object].payer;

    while (payer != MODEL_NONE && payer != budget)
        payer = model->object[payer].payer;
    return payer == budget;
}

static unsigned depth_of_budget(const struct model *model, int budget)
{
    unsigned depth = 0;

    for (; budget != MODEL_NONE; budget = model->object[budget].payer)
        depth++;
    return depth;
}

/* OK, LIMIT, DEAD; `or` if the order of the kernel's own charges decides between the two. */
static struct model_verdict may_charge(const struct model *model, int budget, uint64_t bytes,
                                       uint64_t capabilities)
{
    struct model_verdict verdict = { .status = OK, .or = OK, .made = MODEL_NONE };
    bool over = false;
    bool dead = false;

    for (int at = budget; at != MODEL_NONE; at = model->object[at].payer) {
        const struct model_object *it = &model->object[at];
        over |= model_used(model, at, BUDGET_MEMORY) + bytes > it->limit[BUDGET_MEMORY];
        over |= model_used(model, at, BUDGET_CAPABILITIES) + capabilities >
                it->limit[BUDGET_CAPABILITIES];
        dead |= it->dying;
    }
    if (over || dead)
        verdict.status = dead ? ERR_DEAD : ERR_LIMIT;
    verdict.or = over ? ERR_LIMIT : verdict.status;
    return verdict;
}

struct model_verdict just(enum status status)
{
    return (struct model_verdict){ .status = status, .or = status, .made = MODEL_NONE };
}

/* ---- Removal ---- */

static bool is_kept(const struct model *model, int object)
{
    const struct model_object *it = &model->object[object];

    if (it->held || model_count_of(model, object) > 0)
        return true;
    if (it->type == OBJECT_PROCESS && !it->ended)
        return true;
    for (int i = 0; i < MODEL_OBJECTS; i++) {
        if (model->object[i].used && model->object[i].payer == object)
            return true;
    }
    return false;
}

/* Whatever nobody refers to goes, until all that is left is referred to. */
static void collect(struct model *model)
{
    bool again = true;

    while (again) {
        again = false;
        for (int i = 0; i < MODEL_OBJECTS; i++) {
            if (!model->object[i].used || is_kept(model, i))
                continue;
            model->object[i].used = false;
            retire(model, i);
            again = true;
        }
    }
}

void close_capability(struct model *model, int capability)
{
    for (int i = 0; i < MODEL_CAPABILITIES; i++) {
        if (model->capability[i].used && model->capability[i].parent == capability)
            model->capability[i].parent = model->capability[capability].parent;
    }
    model->capability[capability].used = false;
    end_waits_through(model, capability);
    capability_left(model, model->capability[capability].object);
}

static bool is_below(const struct model *model, int capability, int ancestor)
{
    for (int at = model->capability[capability].parent; at != MODEL_NONE;
         at = model->capability[at].parent) {
        if (at == ancestor)
            return true;
    }
    return false;
}

static void revoke(struct model *model, int ancestor)
{
    bool gone[MODEL_CAPABILITIES] = { false };

    for (int i = 0; i < MODEL_CAPABILITIES; i++)
        gone[i] = model->capability[i].used && is_below(model, i, ancestor);
    for (int i = 0; i < MODEL_CAPABILITIES; i++)
        model->capability[i].used &= !gone[i];
    /* The last to receive may go before those through which others wait, or after them. */
    model->unordered |= cannot_be_received(model, model->capability[ancestor].object);
    for (int i = 0; i < MODEL_CAPABILITIES; i++) {
        if (!gone[i])
            continue;
        end_waits_through(model, i);
        capability_left(model, model->capability[i].object);
    }
}

static void end_process(struct model *model, int process)
{
    model->unordered = true;
    kill_threads(model, process);
    for (int i = 0; i < MODEL_CAPABILITIES; i++) {
        if (model->capability[i].used && model->capability[i].table == process)
            close_capability(model, i);
    }
    model->object[process].ended = true;
}

static void destroy_budget(struct model *model, int budget)
{
    model->object[budget].dying = true;
    model->unordered = true;
    for (int i = 0; i < MODEL_OBJECTS; i++) {
        if (!model->object[i].used || !pays(model, budget, i))
            continue;
        for (int c = 0; c < MODEL_CAPABILITIES; c++) {
            if (!model->capability[c].used || model->capability[c].object != i)
                continue;
            model->capability[c].used = false;
            end_waits_through(model, c);
            capability_left(model, i);
        }
        if (model->object[i].type == OBJECT_PROCESS)
            end_process(model, i);
        if (model->object[i].type == OBJECT_BUDGET)
            model->object[i].dying = true;
    }
}

/* ---- Additions ---- */

int model_new_object(struct model *model, enum object_type type, int payer)
{
    int i = free_object(model);

    memset(&model->object[i], 0, sizeof(model->object[i]));
    model->object[i].used = true;
    model->object[i].type = type;
    model->object[i].payer = payer;
    for (int kind = 0; kind < BUDGET_KINDS; kind++)
        model->object[i].limit[kind] = BUDGET_UNLIMITED;
    if (type == OBJECT_PROCESS)
        model->object[i].base_bytes = model->costs.bytes[type];
    model->object[i].timer_ns = DEADLINE_NEVER;
    model->object[i].bound = MODEL_NONE;
    model->object[i].thread = MODEL_NONE;
    return i;
}

/* For one more capability. */
void grow_table(struct model *model, int table)
{
    if (table_is_full(model, table))
        model->object[table].table_pages++;
}

/* As if the budget allowed it. */
int model_new_capability(struct model *model, int table, int object, uint32_t rights)
{
    int i = free_capability(model);

    grow_table(model, table);
    model->capability[i] = (struct model_capability){
        .used = true,
        .object = object,
        .table = table,
        .handle = MODEL_HANDLE_UNKNOWN,
        .rights = rights,
        .origin = model->object[table].id,
        .parent = MODEL_NONE,
    };
    return i;
}

struct model_verdict may_add(const struct model *model, int table)
{
    const struct model_object *it = &model->object[table];
    uint64_t bytes = sizeof(struct capability);

    if (it->ended)
        return just(ERR_DEAD);
    if (table_is_full(model, table))
        bytes += PAGE_SIZE;
    return may_charge(model, it->payer, bytes, 1);
}

bool model_made(struct model *model, int made, uint64_t handle, struct object *kernel)
{
    struct model_capability *it = &model->capability[made];
    struct model_object *table = &model->object[it->table];
    struct model_object *object = &model->object[it->object];
    uint32_t index = (uint32_t)handle;
    uint32_t generation = (uint32_t)(handle >> 32);

    if (index >= MODEL_SLOTS || generation <= table->generation[index])
        return false;
    table->generation[index] = generation;
    it->handle = handle;
    if (object->kernel == NULL) {
        object->kernel = kernel;
        object->id = kernel->id;
    }
    return object->kernel == kernel;
}

/* ---- Calls ---- */

static struct model_verdict do_close(struct model *model, int process, const uint64_t words[6])
{
    int capability = model_find(model, process, words[0]);

    if (capability == MODEL_NONE)
        return just(ERR_NOT_FOUND);
    close_capability(model, capability);
    return just(OK);
}

/* Down to the capability, itself included. */
unsigned depth_of(const struct model *model, int capability)
{
    unsigned depth = 0;

    for (; capability != MODEL_NONE; capability = model->capability[capability].parent)
        depth++;
    return depth;
}

/* The process that `handle` names, with a right. */
enum status look_up(const struct model *model, int table, uint64_t handle, enum object_type type,
                    uint32_t rights, int *object_out)
{
    int capability = model_find(model, table, handle);

    if (capability == MODEL_NONE)
        return ERR_NOT_FOUND;
    const struct model_capability *it = &model->capability[capability];
    if (type != OBJECT_ANY && model->object[it->object].type != type)
        return ERR_NOT_FOUND;
    if ((rights & ~it->rights) != 0)
        return ERR_ACCESS;
    *object_out = it->object;
    return OK;
}

static enum status badge_allowed(const struct model *model, const struct model_capability *source,
                                 uint64_t badge)
{
    enum object_type type = model->object[source->object].type;
    uint32_t needed = type == OBJECT_ENDPOINT       ? (uint32_t)RIGHT_ENDPOINT_RECEIVE
                      : type == OBJECT_NOTIFICATION ? (uint32_t)RIGHT_NOTIFICATION_WAIT
                                                    : 0;

    if (badge == 0)
        return OK;
    if (needed == 0)
        return ERR_INVALID;
    return source->badge == 0 && (source->rights & needed) != 0 ? OK : ERR_ACCESS;
}

static struct model_verdict do_copy(struct model *model, int process, const uint64_t words[6])
{
    int to = process;

    if ((words[1] & ~(uint64_t)RIGHTS_ALL) != 0)
        return just(ERR_RANGE);
    if (words[3] != 0) {
        enum status status =
            look_up(model, process, words[3], OBJECT_PROCESS, RIGHT_PROCESS_GRANT_INTO, &to);
        if (status != OK)
            return just(status);
    }
    int from = model_find(model, process, words[0]);
    if (from == MODEL_NONE)
        return just(ERR_NOT_FOUND);
    struct model_capability source = model->capability[from];
    uint32_t rights = (uint32_t)words[1];
    if ((to != process && (source.rights & RIGHT_ANY_GRANT) == 0) || (rights & ~source.rights) != 0)
        return just(ERR_ACCESS);
    enum status status = badge_allowed(model, &source, words[2]);
    if (status != OK)
        return just(status);
    if (depth_of(model, from) >= CAPABILITY_DEPTH_MAX)
        return just(ERR_LIMIT);
    struct model_verdict verdict = may_add(model, to);
    if (verdict.status != OK)
        return verdict;
    verdict.made = model_new_capability(model, to, source.object, rights);
    struct model_capability *copy = &model->capability[verdict.made];
    copy->badge = words[2] != 0 ? words[2] : source.badge;
    copy->origin = model->object[process].id;
    copy->parent = from;
    return verdict;
}

static struct model_verdict do_revoke(struct model *model, int process, const uint64_t words[6])
{
    int object;
    enum status status = look_up(model, process, words[0], OBJECT_ANY, RIGHT_ANY_REVOKE, &object);

    if (status == OK)
        revoke(model, model_find(model, process, words[0]));
    return just(status);
}

static struct model_verdict do_inspect(struct model *model, int process, const uint64_t words[6],
                                       bool (*writable)(uint64_t at, uint64_t size_bytes))
{
    int object;

    if (words[1] > UINT32_MAX || words[3] > UINT32_MAX)
        return just(ERR_RANGE);
    enum status status =
        look_up(model, process, words[0], OBJECT_PROCESS, RIGHT_ANY_INSPECT, &object);
    if (status != OK)
        return just(status);
    if (words[3] == 0 || words[3] > INSPECT_MAX)
        return just(ERR_RANGE);
    return just(writable(words[2], words[3] * sizeof(struct handle_info)) ? OK : ERR_FAULT);
}

static struct model_verdict do_info(struct model *model, int process, const uint64_t words[6],
                                    bool (*writable)(uint64_t at, uint64_t size_bytes))
{
    int object;

    if (words[2] > sizeof(struct object_info))
        return just(ERR_RANGE);
    enum status status = look_up(model, process, words[0], OBJECT_ANY, RIGHT_ANY_INSPECT, &object);
    if (status != OK)
        return just(status);
    return just(writable(words[1], words[2]) ? OK : ERR_FAULT);
}

static struct model_verdict do_create(struct model *model, int process, const uint64_t words[6])
{
    int budget;

    if (!object_type_valid(words[1]))
        return just(ERR_RANGE);
    enum object_type type = (enum object_type)words[1];
    if (!model->costs.known[type])
        return just(ERR_INVALID);
    uint32_t right = type == OBJECT_BUDGET ? RIGHT_BUDGET_SPLIT : RIGHT_BUDGET_CHARGE;
    enum status status = look_up(model, process, words[0], OBJECT_BUDGET, right, &budget);
    if (status != OK)
        return just(status);
    if (type == OBJECT_BUDGET && depth_of_budget(model, budget) == BUDGET_DEPTH_MAX)
        return just(ERR_LIMIT);
    struct model_verdict verdict = may_charge(model, budget, model->costs.bytes[type], 0);
    if (verdict.status != OK)
        return verdict;
    int object = model_new_object(model, type, budget);
    verdict = may_add(model, process);
    if (verdict.status != OK) {
        model->object[object].used = false;
        return verdict;
    }
    verdict.made = model_new_capability(model, process, object, object_type_rights(type));
    return verdict;
}

static struct model_verdict do_destroy(struct model *model, int process, const uint64_t words[6])
{
    int object;
    enum status status = look_up(model, process, words[0], OBJECT_ANY, 0, &object);

    if (status != OK)
        return just(status);
    enum object_type type = model->object[object].type;
    if (type != OBJECT_PROCESS && type != OBJECT_BUDGET)
        return just(ERR_INVALID);
    uint32_t right =
        type == OBJECT_PROCESS ? (uint32_t)RIGHT_PROCESS_DESTROY : (uint32_t)RIGHT_BUDGET_DESTROY;
    status = look_up(model, process, words[0], type, right, &object);
    if (status != OK)
        return just(status);
    if (object == process || (type == OBJECT_BUDGET && pays(model, object, process)))
        return just(ERR_STATE);
    if (type == OBJECT_PROCESS)
        end_process(model, object);
    else
        destroy_budget(model, object);
    return just(OK);
}

/* A process that dies tells somebody, before or after that somebody dies of the same call. */
static bool certain_end(const struct model *model, int thread, const struct model_request *request)
{
    int object;

    if (request->number != SYSCALL_object_destroy ||
        look_up(model, model->thread[thread].process, request->words[0], OBJECT_BUDGET, 0,
                &object) != OK)
        return true;
    for (int i = 0; i < MODEL_OBJECTS; i++) {
        const struct model_object *it = &model->object[i];
        if (it->used && it->type == OBJECT_PROCESS && it->bound != MODEL_NONE &&
            pays(model, object, i))
            return false;
    }
    return true;
}

/* A handle that names nothing may be the one that an earlier capability of the message gets. */
static bool certain_message(const struct model *model, int thread,
                            const struct model_request *request)
{
    uint64_t info = request->words[1];
    unsigned count = ipc_info_capabilities(info), words = ipc_info_words(info);

    if ((request->number != SYSCALL_ipc_call && request->number != SYSCALL_ipc_send &&
         request->number != SYSCALL_ipc_reply_receive) ||
        words > IPC_WORDS)
        return true;
    for (unsigned i = 1; i < count && count <= words; i++) {
        if (model_find(model, model->thread[thread].process, request->message[words - count + i]) ==
            MODEL_NONE)
            return false;
    }
    return true;
}

bool model_certain(const struct model *model, int thread, const struct model_request *request)
{
    return certain_end(model, thread, request) && certain_message(model, thread, request);
}

static struct model_verdict capability_call(struct model *model, int process,
                                            const struct model_request *request)
{
    const uint64_t *words = request->words;

    switch (request->number) {
    case SYSCALL_handle_close:
        return do_close(model, process, words);
    case SYSCALL_handle_copy:
        return do_copy(model, process, words);
    case SYSCALL_handle_revoke:
        return do_revoke(model, process, words);
    case SYSCALL_process_inspect:
        return do_inspect(model, process, words, request->writable);
    case SYSCALL_object_info:
        return do_info(model, process, words, request->writable);
    case SYSCALL_object_create:
        return do_create(model, process, words);
    default:
        return do_destroy(model, process, words);
    }
}

static bool knows_capability_call(unsigned number)
{
    return number == SYSCALL_handle_close || number == SYSCALL_handle_copy ||
           number == SYSCALL_handle_revoke || number == SYSCALL_process_inspect ||
           number == SYSCALL_object_info || number == SYSCALL_object_create ||
           number == SYSCALL_object_destroy;
}

bool model_knows(unsigned number)
{
    return knows_capability_call(number) || model_knows_ipc(number);
}

struct model_verdict model_call(struct model *model, int thread,
                                const struct model_request *request)
{
    struct model_verdict verdict;
    struct model_thread *it = &model->thread[thread];

    memcpy(it->argument, request->words, sizeof(it->argument));
    memcpy(it->message, request->message, sizeof(it->message));
    if (knows_capability_call(request->number))
        verdict = capability_call(model, it->process, request);
    else
        verdict = model_ipc(model, thread, request->number);
    collect(model);
    model->unordered = false;
    return verdict;
}

void model_kill(struct model *model, int thread)
{
    kill_thread(model, thread);
    collect(model);
}
