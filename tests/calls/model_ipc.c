/* The slow model of messages and signals: threads that wait, each with the number of what it waits
 * at and a count that says who came first.
 */
#include "model_impl.h"
#include <abi_syscalls.h>
#include <base/string.h>
#include <kernel/timer.h>

/* Then the receiver's call is made again. */
enum { RECEIVE_ATTEMPTS = 4 };

/* ---- Waiting ---- */

static void release_reply(struct model *model, int thread)
{
    struct model_thread *it = &model->thread[thread];

    if (it->reply != MODEL_NONE)
        model->object[it->reply].thread = MODEL_NONE;
    it->reply = MODEL_NONE;
}

/* What it called is over. */
static struct model_thread *finish(struct model *model, int thread, enum status status)
{
    struct model_thread *it = &model->thread[thread];

    release_reply(model, thread);
    it->wait = MODEL_READY;
    it->returned = true;
    it->status = status;
    it->or = status;
    it->has_message = false;
    it->value = 0;
    return it;
}

/* By a removal: if that removes several things, either may come first. */
static void end_wait(struct model *model, int thread, enum status status)
{
    struct model_thread *it = finish(model, thread, status);

    if (model->unordered)
        it->or = status == ERR_DEAD ? ERR_CANCELLED : ERR_DEAD;
}

static struct model_verdict wait(struct model *model, int thread, enum model_wait how, int on)
{
    struct model_thread *it = &model->thread[thread];
    struct model_verdict verdict = just(OK);

    it->wait = how;
    it->on = on;
    it->since = model->order++;
    verdict.waits = true;
    return verdict;
}

static bool is_late(const struct model *model, uint64_t deadline_ns)
{
    return deadline_ns != DEADLINE_NEVER && model->now_ns >= deadline_ns;
}

static int first_waiting(const struct model *model, int on, enum model_wait how,
                         enum model_wait or_how)
{
    int first = MODEL_NONE;

    for (int i = 0; i < MODEL_THREADS; i++) {
        const struct model_thread *it = &model->thread[i];
        if (it->used && it->on == on && (it->wait == how || it->wait == or_how) &&
            (first == MODEL_NONE || it->since < model->thread[first].since))
            first = i;
    }
    return first;
}

void end_waits_through(struct model *model, int capability)
{
    const struct model_object *object = &model->object[model->capability[capability].object];

    for (int i = 0; i < MODEL_THREADS; i++) {
        const struct model_thread *it = &model->thread[i];
        if (it->used && it->wait != MODEL_READY && it->through == capability)
            end_wait(model, i, object->dying ? ERR_DEAD : ERR_CANCELLED);
    }
}

bool cannot_be_received(const struct model *model, int object)
{
    if (model->object[object].type != OBJECT_ENDPOINT)
        return false;
    for (int i = 0; i < MODEL_CAPABILITIES; i++) {
        const struct model_capability *it = &model->capability[i];
        if (it->used && it->object == object && (it->rights & RIGHT_ENDPOINT_RECEIVE) != 0)
            return false;
    }
    return true;
}

/* Rights only shrink: who sends to it would wait for ever. */
void capability_left(struct model *model, int object)
{
    struct model_object *it = &model->object[object];

    if (it->deaf || !cannot_be_received(model, object))
        return;
    it->deaf = true;
    it->bound = MODEL_NONE;
    for (int i = 0; i < MODEL_THREADS; i++) {
        const struct model_thread *thread = &model->thread[i];
        if (thread->used && thread->on == object &&
            (thread->wait == MODEL_SEND || thread->wait == MODEL_CALL))
            end_wait(model, i, ERR_DEAD);
    }
}

void retire(struct model *model, int object)
{
    struct model_object *it = &model->object[object];

    if (it->type == OBJECT_REPLY && it->thread != MODEL_NONE)
        end_wait(model, it->thread, ERR_DEAD);
    for (int i = 0; i < MODEL_OBJECTS && it->type == OBJECT_NOTIFICATION; i++) {
        if (model->object[i].bound == object)
            model->object[i].bound = MODEL_NONE;
    }
    it->bound = MODEL_NONE;
    it->timer_ns = DEADLINE_NEVER;
}

/* ---- Capabilities in messages ---- */

static bool info_valid(uint64_t info)
{
    unsigned capabilities = ipc_info_capabilities(info);

    return ipc_info_words(info) <= IPC_WORDS && capabilities <= IPC_CAPABILITIES &&
           capabilities <= ipc_info_words(info) && ipc_info_moved(info) < 1u << capabilities &&
           info >> 48 == 0 && (info >> 43 & 1) == 0 && (info >> 39 & 1) == 0;
}

static enum status give_one(struct model *model, int from, int to, uint64_t handle, bool move,
                            int *given_out)
{
    int given = model_find(model, from, handle);

    if (given == MODEL_NONE)
        return ERR_NOT_FOUND;
    if (from != to && (model->capability[given].rights & RIGHT_ANY_GRANT) == 0)
        return ERR_ACCESS;
    if (!move && depth_of(model, given) >= CAPABILITY_DEPTH_MAX)
        return ERR_LIMIT;
    enum status status = may_add(model, to).status;
    if (status != OK)
        return status;
    if (move) {
        grow_table(model, to);
        model->capability[given].table = to;
        model->capability[given].handle = MODEL_HANDLE_UNKNOWN;
        *given_out = given;
    } else {
        struct model_capability source = model->capability[given];
        *given_out = model_new_capability(model, to, source.object, source.rights);
        model->capability[*given_out].badge = source.badge;
        model->capability[*given_out].parent = given;
    }
    model->capability[*given_out].origin = model->object[from].id;
    return OK;
}

static void take_back(struct model *model, int from, int to, uint64_t moved, const int *given,
                      unsigned count)
{
    while (count-- > 0) {
        struct model_capability *it = &model->capability[given[count]];
        if ((moved >> count & 1) == 0 || may_add(model, from).status != OK) {
            close_capability(model, given[count]);
            continue;
        }
        grow_table(model, from);
        it->table = from;
        it->handle = MODEL_HANDLE_UNKNOWN;
        it->origin = model->object[to].id;
    }
}

/* All that `from` sends to `to`, or nothing. */
static enum status give(struct model *model, int from, int to, uint64_t info,
                        int given[IPC_CAPABILITIES])
{
    const struct model_thread *sender = &model->thread[from];
    const struct model_thread *receiver = &model->thread[to];
    unsigned count = ipc_info_capabilities(info);
    unsigned first = ipc_info_words(info) - count;

    for (unsigned i = 0; i < IPC_CAPABILITIES; i++)
        given[i] = MODEL_NONE;
    if (count > ipc_info_accepts(receiver->argument[1]))
        return ERR_LIMIT;
    for (unsigned i = 0; i < count; i++) {
        enum status status =
            give_one(model, sender->process, receiver->process, sender->message[first + i],
                     (ipc_info_moved(info) >> i & 1) != 0, &given[i]);
        if (status == OK)
            continue;
        take_back(model, sender->process, receiver->process, ipc_info_moved(info), given, i);
        return status;
    }
    return OK;
}

/* ---- Messages ---- */

static void deliver(struct model *model, int from, int to, uint64_t flags, uint64_t badge,
                    const int given[IPC_CAPABILITIES])
{
    const struct model_thread *sender = &model->thread[from];
    uint64_t info = sender->argument[1];
    struct model_thread *it = finish(model, to, OK);

    it->has_message = true;
    it->value =
        ipc_info_with(ipc_info_label(info), ipc_info_words(info), ipc_info_capabilities(info), 0) |
        flags;
    it->badge = badge;
    memcpy(it->word, sender->message, sizeof(it->word));
    memcpy(it->given, given, sizeof(it->given));
}

static void deliver_bits(struct model *model, int to, uint64_t bits)
{
    struct model_thread *it = finish(model, to, OK);

    it->has_message = true;
    it->value = IPC_INFO_SIGNAL | ipc_info(0, 1);
    it->badge = 0;
    it->word[0] = bits;
}

/* It was received by who has `reply`, and waits for the answer. */
static void wait_for_answer(struct model *model, int thread, int reply)
{
    (void)wait(model, thread, MODEL_ANSWER, model->thread[thread].on);
    model->thread[thread].reply = reply;
    model->object[reply].thread = thread;
}

static struct model_verdict receive(struct model *model, int thread);

/* To a receiver that waits. */
static struct model_verdict send_to(struct model *model, int thread, int receiver, bool call)
{
    struct model_thread *it = &model->thread[thread];
    int given[IPC_CAPABILITIES];
    enum status status = give(model, thread, receiver, it->argument[1], given);

    if (status != OK) {
        release_reply(model, receiver);
        model->thread[receiver].wait = MODEL_READY;
        struct model_verdict again = receive(model, receiver);
        if (!again.waits && !model->thread[receiver].returned)
            (void)finish(model, receiver, again.status);
        return just(status);
    }
    int reply = model->thread[receiver].reply;
    deliver(model, thread, receiver, call ? IPC_INFO_CALL : 0, model->capability[it->through].badge,
            given);
    if (!call)
        return just(OK);
    wait_for_answer(model, thread, reply);
    struct model_verdict verdict = just(OK);
    verdict.waits = true;
    return verdict;
}

static struct model_verdict send(struct model *model, int thread, bool call)
{
    struct model_thread *it = &model->thread[thread];

    it->through = model_find(model, it->process, it->argument[0]);
    it->on = model->capability[it->through].object;
    if (!info_valid(it->argument[1]))
        return just(ERR_INVALID);
    if (call && is_late(model, it->argument[2]))
        return just(ERR_TIMED_OUT);
    if (model->object[it->on].deaf)
        return just(ERR_DEAD);
    int receiver = first_waiting(model, it->on, MODEL_RECEIVE, MODEL_RECEIVE);
    if (receiver != MODEL_NONE)
        return send_to(model, thread, receiver, call);
    if (is_late(model, it->argument[2]))
        return just(ERR_TIMED_OUT);
    return wait(model, thread, call ? MODEL_CALL : MODEL_SEND, it->on);
}

/* One sender after the other, until one's message comes through. */
static bool receive_one(struct model *model, int thread, int sender, int reply)
{
    struct model_thread *it = &model->thread[sender];
    bool call = it->wait == MODEL_CALL;
    int given[IPC_CAPABILITIES];
    enum status status = give(model, sender, thread, it->argument[1], given);

    if (status != OK) {
        (void)finish(model, sender, status);
        return false;
    }
    deliver(model, sender, thread, call ? IPC_INFO_CALL : 0, model->capability[it->through].badge,
            given);
    if (call)
        wait_for_answer(model, sender, reply);
    else
        (void)finish(model, sender, OK);
    return true;
}

/* What the handles of a thread's call name. */
struct named {
    int endpoint;
    int reply;
    int through; /* capability of the endpoint */
};

static enum status look_up_named(const struct model *model, int thread, struct named *named)
{
    const struct model_thread *it = &model->thread[thread];
    enum status status = look_up(model, it->process, it->argument[0], OBJECT_ENDPOINT,
                                 RIGHT_ENDPOINT_RECEIVE, &named->endpoint);

    if (status == OK)
        status = look_up(model, it->process, it->argument[3], OBJECT_REPLY, 0, &named->reply);
    named->through = model_find(model, it->process, it->argument[0]);
    return status;
}

/* What it receives, and how it ends, is in the thread. */
static struct model_verdict receive_at(struct model *model, int thread, struct named named)
{
    struct model_thread *it = &model->thread[thread];

    if (model->object[named.reply].thread != MODEL_NONE)
        return just(ERR_BUSY);
    struct model_object *endpoint = &model->object[named.endpoint];
    it->through = named.through;
    for (unsigned failed = 0; failed < RECEIVE_ATTEMPTS; failed++) {
        int sender = first_waiting(model, named.endpoint, MODEL_SEND, MODEL_CALL);
        if (endpoint->bits != 0 && (sender == MODEL_NONE || !endpoint->senders_turn)) {
            endpoint->senders_turn = true;
            deliver_bits(model, thread, endpoint->bits);
            endpoint->bits = 0;
            return just(OK);
        }
        if (sender == MODEL_NONE && is_late(model, it->argument[2]))
            return just(ERR_TIMED_OUT);
        if (sender == MODEL_NONE) {
            it->reply = named.reply;
            model->object[named.reply].thread = thread;
            return wait(model, thread, MODEL_RECEIVE, named.endpoint);
        }
        if (receive_one(model, thread, sender, named.reply)) {
            endpoint->senders_turn = false;
            return just(OK);
        }
    }
    return receive(model, thread);
}

static struct model_verdict receive(struct model *model, int thread)
{
    struct named named;
    enum status status = look_up_named(model, thread, &named);

    return status == OK ? receive_at(model, thread, named) : just(status);
}

static enum status answer(struct model *model, int thread, int reply)
{
    struct model_thread *it = &model->thread[thread];
    int caller = model->object[reply].thread;
    int given[IPC_CAPABILITIES];

    if (!info_valid(it->argument[1]))
        return ERR_INVALID;
    if (caller == MODEL_NONE || model->thread[caller].wait != MODEL_ANSWER)
        return ERR_STATE;
    enum status status = give(model, thread, caller, it->argument[1], given);
    if (status == OK)
        deliver(model, thread, caller, 0, 0, given);
    return status;
}

/* ---- Calls about messages ---- */

static struct model_verdict do_call(struct model *model, int thread)
{
    struct model_thread *it = &model->thread[thread];
    int endpoint;
    enum status status = look_up(model, it->process, it->argument[0], OBJECT_ENDPOINT,
                                 RIGHT_ENDPOINT_SEND, &endpoint);

    return status == OK ? send(model, thread, true) : just(status);
}

static struct model_verdict do_send(struct model *model, int thread)
{
    struct model_thread *it = &model->thread[thread];
    int to;

    if (look_up(model, it->process, it->argument[0], OBJECT_REPLY, 0, &to) == OK)
        return just(answer(model, thread, to));
    enum status status =
        look_up(model, it->process, it->argument[0], OBJECT_ENDPOINT, RIGHT_ENDPOINT_SEND, &to);
    return status == OK ? send(model, thread, false) : just(status);
}

/* It receives where its handles said before the answer took them away. */
static struct model_verdict do_reply_receive(struct model *model, int thread)
{
    struct named named;
    enum status status = look_up_named(model, thread, &named);

    if (status == OK)
        status = answer(model, thread, named.reply);
    return status == OK || status == ERR_STATE ? receive_at(model, thread, named) : just(status);
}

/* ---- Signals ---- */

/* An endpoint's receiver gets them, or they wait for one. */
static void signal_endpoint(struct model *model, int endpoint, uint64_t bits)
{
    int receiver = first_waiting(model, endpoint, MODEL_RECEIVE, MODEL_RECEIVE);

    if (receiver == MODEL_NONE)
        model->object[endpoint].bits |= bits;
    else
        deliver_bits(model, receiver, bits);
}

static int next_waiter(const struct model *model, int notification)
{
    int first = MODEL_NONE;

    for (int i = 0; i < MODEL_THREADS; i++) {
        const struct model_thread *it = &model->thread[i];
        if (it->used && it->wait == MODEL_SIGNAL && it->on == notification &&
            (it->argument[1] & model->object[notification].bits) != 0 &&
            (first == MODEL_NONE || it->since < model->thread[first].since))
            first = i;
    }
    return first;
}

static void signal(struct model *model, int notification, uint64_t bits)
{
    struct model_object *it = &model->object[notification];

    it->bits |= bits;
    for (int i = next_waiter(model, notification); i != MODEL_NONE;
         i = next_waiter(model, notification)) {
        uint64_t taken = it->bits & model->thread[i].argument[1];
        it->bits &= ~taken;
        finish(model, i, OK)->value = taken;
    }
    for (int i = 0; i < MODEL_OBJECTS; i++) {
        struct model_object *endpoint = &model->object[i];
        if (!endpoint->used || endpoint->type != OBJECT_ENDPOINT || endpoint->bound != notification)
            continue;
        uint64_t taken = it->bits & endpoint->bound_bits;
        it->bits &= ~taken;
        if (taken != 0)
            signal_endpoint(model, i, taken);
    }
}

/* The notification, if this capability may set these bits. */
static enum status look_up_signal(const struct model *model, int process, uint64_t handle,
                                  uint64_t bits, int *notification_out)
{
    enum status status = look_up(model, process, handle, OBJECT_NOTIFICATION,
                                 RIGHT_NOTIFICATION_SIGNAL, notification_out);

    if (status != OK)
        return status;
    uint64_t badge = model->capability[model_find(model, process, handle)].badge;
    return badge != 0 && (bits & ~badge) != 0 ? ERR_ACCESS : OK;
}

static struct model_verdict do_signal(struct model *model, int thread)
{
    const struct model_thread *it = &model->thread[thread];
    int notification;
    enum status status =
        look_up_signal(model, it->process, it->argument[0], it->argument[1], &notification);

    if (status == OK)
        signal(model, notification, it->argument[1]);
    return just(status);
}

static struct model_verdict do_wait(struct model *model, int thread)
{
    struct model_thread *it = &model->thread[thread];
    int notification;
    enum status status = look_up(model, it->process, it->argument[0], OBJECT_NOTIFICATION,
                                 RIGHT_NOTIFICATION_WAIT, &notification);

    if (status != OK)
        return just(status);
    if (it->argument[1] == 0)
        return just(ERR_RANGE);
    uint64_t taken = model->object[notification].bits & it->argument[1];
    if (taken != 0) {
        model->object[notification].bits &= ~taken;
        finish(model, thread, OK)->value = taken;
        return just(OK);
    }
    if (is_late(model, it->argument[2]))
        return just(ERR_TIMED_OUT);
    it->through = model_find(model, it->process, it->argument[0]);
    return wait(model, thread, MODEL_SIGNAL, notification);
}

static struct model_verdict do_timer(struct model *model, int thread)
{
    const struct model_thread *it = &model->thread[thread];
    int notification;
    enum status status = look_up(model, it->process, it->argument[0], OBJECT_NOTIFICATION,
                                 RIGHT_NOTIFICATION_WAIT, &notification);

    if (status == OK)
        status =
            look_up_signal(model, it->process, it->argument[0], it->argument[1], &notification);
    if (status != OK)
        return just(status);
    model->object[notification].timer_ns = DEADLINE_NEVER;
    model->object[notification].timer_bits = it->argument[1];
    if (is_late(model, it->argument[2]))
        signal(model, notification, it->argument[1]);
    else
        model->object[notification].timer_ns = it->argument[2];
    return just(OK);
}

static enum status bind_to(struct model *model, int source, int notification, uint64_t bits)
{
    struct model_object *it = &model->object[source];

    if (it->type == OBJECT_BUDGET)
        return OK; /* there is no soft limit that it could cross */
    it->bound = MODEL_NONE;
    for (int i = 0; i < MODEL_OBJECTS && it->type == OBJECT_ENDPOINT; i++) {
        const struct model_object *other = &model->object[i];
        if (other->used && other->type == OBJECT_ENDPOINT && other->bound == notification)
            return ERR_BUSY;
    }
    it->bound = notification;
    it->bound_bits = bits;
    signal(model, notification, it->type == OBJECT_PROCESS && it->ended ? bits : 0);
    return OK;
}

static struct model_verdict do_bind(struct model *model, int thread)
{
    static const uint32_t needs[OBJECT_TYPE_COUNT] = {
        [OBJECT_ENDPOINT] = RIGHT_ENDPOINT_RECEIVE,
        [OBJECT_PROCESS] = RIGHT_PROCESS_DESTROY,
        [OBJECT_BUDGET] = RIGHT_BUDGET_LIMIT,
    };
    const struct model_thread *it = &model->thread[thread];
    int notification;
    int source;
    enum status status =
        look_up_signal(model, it->process, it->argument[1], it->argument[2], &notification);

    if (status == OK)
        status = look_up(model, it->process, it->argument[0], OBJECT_ANY, 0, &source);
    if (status != OK)
        return just(status);
    uint32_t need = needs[model->object[source].type];
    if (need == 0)
        return just(ERR_INVALID);
    status = look_up(model, it->process, it->argument[0], OBJECT_ANY, need, &source);
    return just(status == OK ? bind_to(model, source, notification, it->argument[2]) : status);
}

/* ---- Threads that end ---- */

void kill_thread(struct model *model, int thread)
{
    (void)finish(model, thread, ERR_CANCELLED);
    model->thread[thread].returned = false;
    model->thread[thread].used = false;
}

void kill_threads(struct model *model, int process)
{
    const struct model_object *it = &model->object[process];
    bool any = false;

    for (int i = 0; i < MODEL_THREADS; i++) {
        if (!model->thread[i].used || model->thread[i].process != process)
            continue;
        kill_thread(model, i);
        any = true;
    }
    if (any && it->bound != MODEL_NONE)
        signal(model, it->bound, it->bound_bits);
}

/* ---- Time ---- */

uint64_t model_next_deadline(const struct model *model)
{
    uint64_t next = DEADLINE_NEVER;

    for (int i = 0; i < MODEL_THREADS; i++) {
        const struct model_thread *it = &model->thread[i];
        if (it->used && it->wait != MODEL_READY)
            next = MIN(next, it->argument[2]);
    }
    for (int i = 0; i < MODEL_OBJECTS; i++) {
        if (model->object[i].used && model->object[i].type == OBJECT_NOTIFICATION)
            next = MIN(next, model->object[i].timer_ns);
    }
    return next;
}

void model_time_is(struct model *model, uint64_t now_ns)
{
    model->now_ns = now_ns;
    for (int i = 0; i < MODEL_THREADS; i++) {
        const struct model_thread *it = &model->thread[i];
        if (it->used && it->wait != MODEL_READY && is_late(model, it->argument[2]))
            (void)finish(model, i, ERR_TIMED_OUT);
    }
    for (int i = 0; i < MODEL_OBJECTS; i++) {
        struct model_object *it = &model->object[i];
        if (!it->used || it->type != OBJECT_NOTIFICATION || !is_late(model, it->timer_ns))
            continue;
        it->timer_ns = DEADLINE_NEVER;
        signal(model, i, it->timer_bits);
    }
}

/* ---- All of it ---- */

static const struct ipc_rule {
    unsigned number;
    struct model_verdict (*make)(struct model *model, int thread);
} rules[] = {
    { SYSCALL_ipc_call, do_call },
    { SYSCALL_ipc_reply_receive, do_reply_receive },
    { SYSCALL_ipc_send, do_send },
    { SYSCALL_ipc_receive, receive },
    { SYSCALL_notification_signal, do_signal },
    { SYSCALL_notification_wait, do_wait },
    { SYSCALL_timer_set, do_timer },
    { SYSCALL_object_bind, do_bind },
};

static const struct ipc_rule *rule_of(unsigned number)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (rules[i].number == number)
            return &rules[i];
    }
    return NULL;
}

bool model_knows_ipc(unsigned number)
{
    return rule_of(number) != NULL;
}

struct model_verdict model_ipc(struct model *model, int thread, unsigned number)
{
    return rule_of(number)->make(model, thread);
}
