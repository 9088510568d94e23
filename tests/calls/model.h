/* What system calls should do, slowly and obviously: flat lists of objects and of capabilities,
 * each capability with the number of the one that it was derived from, and accounts that are summed
 * up from all there is whenever somebody asks. It shares no code with the kernel but the tables of
 * rights.
 */
#pragma once

#include <base/object_type.h>
#include <base/status.h>
#include <ipc.h>
#include <kernel/cspace.h>

enum {
    MODEL_OBJECTS = 300,
    MODEL_CAPABILITIES = 900,
    MODEL_SLOTS = 1024, /* of a table, whose generations are remembered */
    MODEL_THREADS = 9,
    MODEL_NONE = -1,
};

/* As long as the kernel has not said what it is. */
#define MODEL_HANDLE_UNKNOWN UINT64_MAX

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
    /* A notification; of an endpoint, `bits` are those that nobody has received. */
    uint64_t bits;
    bool senders_turn; /* of an endpoint: bits were received last */
    bool deaf;         /* an endpoint: no capability to receive is left */
    uint64_t timer_bits;
    uint64_t timer_ns; /* DEADLINE_NEVER: off */
    /* An endpoint or a process: the notification that is bound, and with which bits. */
    int bound;
    uint64_t bound_bits;
    /* A Reply: the thread that it is with. */
    int thread;
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

enum model_wait {
    MODEL_READY,
    MODEL_SEND,    /* in an endpoint's queue, with a message that has no answer */
    MODEL_CALL,    /* or one that has */
    MODEL_ANSWER,  /* it was received, by who has the Reply */
    MODEL_RECEIVE, /* at an endpoint, with a Reply */
    MODEL_SIGNAL,  /* for bits of a notification */
};

struct model_thread {
    bool used;
    int process;
    /* The call that it made last, and the words of its message. */
    uint64_t argument[6];
    uint64_t message[IPC_WORDS];
    /* How it waits. */
    enum model_wait wait;
    int on;
    int through; /* capability */
    int reply;   /* ANSWER, RECEIVE */
    uint64_t since;
    /* What became of that call; set when it is over, and cleared by whoever looks. */
    bool returned;
    enum status status;
    enum status or ;
    bool has_message;
    uint64_t value; /* bits, or a message's info */
    uint64_t badge;
    uint64_t word[IPC_WORDS];
    int given[IPC_CAPABILITIES]; /* its last words: capabilities, or MODEL_NONE */
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
    struct model_thread thread[MODEL_THREADS];
    uint64_t now_ns;
    uint64_t order; /* counts whoever begins to wait */
    bool unordered; /* a removal that the kernel may do in any order is going on */
};

/* What a call should return, and `or` if that depends on what the model does not know. If it should
 * be OK, the model is as after the call, but for handles and objects that the kernel chooses.
 */
struct model_verdict {
    enum status status;
    enum status or ;
    int made; /* capability: model_made must be told its handle; or MODEL_NONE */
    bool waits;
};

/* Words of a call, and of its message. */
struct model_request {
    unsigned number;
    const uint64_t *words;
    const uint64_t *message;
    /* Whether the caller may write there. */
    bool (*writable)(uint64_t at, uint64_t size_bytes);
};

/* The calls that it knows. */
bool model_knows(unsigned number);
/* False: what it does depends on an order that the kernel is free to choose. */
bool model_certain(const struct model *model, int thread, const struct model_request *request);
struct model_verdict model_call(struct model *model, int thread,
                                const struct model_request *request);
/* The thread is killed. */
void model_kill(struct model *model, int thread);
/* The next deadline, of a thread or a timer; DEADLINE_NEVER if there is none. */
uint64_t model_next_deadline(const struct model *model);
/* It is as late as that now, and no later than the next deadline. */
void model_time_is(struct model *model, uint64_t now_ns);
/* The kernel made capability `made`: false if the handle is none, or was one before. */
bool model_made(struct model *model, int made, uint64_t handle, struct object *kernel);

int model_new_object(struct model *model, enum object_type type, int payer);
int model_new_capability(struct model *model, int table, int object, uint32_t rights);
int model_find(const struct model *model, int table, uint64_t handle);
int model_object_of(const struct model *model, const struct object *kernel);
uint64_t model_used(const struct model *model, int budget, enum budget_kind kind);
uint64_t model_count_of(const struct model *model, int object);
bool model_has_room(const struct model *model);
