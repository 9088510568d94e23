/* Pins: memory that devices may reach, who pays for it, and what becomes of it when a driver dies.
 */
#include <kernel/dma.h>
#include <kernel/frame.h>
#include <kernel/memory.h>
#include <object_info.h>

enum { PAGES_PER_WORK = 16 }; /* that are given back for one unit */

/* A frame has a reference for each pin that it is in, so it outlives the memory object. */
struct pin {
    struct list node;      /* [O] in capability->uses, or in the quarantine */
    uint64_t id;           /* [O] */
    struct span devices;   /* [C] */
    struct budget *payer;  /* of the capability's table, which keeps it; NULL in the quarantine */
    struct memory_pin pin; /* of the Memory; gone in the quarantine, and when that is destroyed */
    uint64_t pages;        /* [C] */
    size_t run_count;      /* [C] */
    struct dma_run run[DMA_RUNS_MAX];
};
static_assert(sizeof(struct pin) <= PAGE_SIZE, "a pin is a page");

struct object dma_object;
static uint64_t last_id;       /* [O] */
static struct list quarantine; /* [O] */

/* ---- Runs ---- */

static enum status runs_add(struct pin *pin, paddr_t pa)
{
    if (pin->run_count > 0) {
        struct dma_run *last = &pin->run[pin->run_count - 1];
        if (last->address + last->size_bytes == pa.raw) {
            last->size_bytes += PAGE_SIZE;
            return OK;
        }
    }
    if (pin->run_count == DMA_RUNS_MAX)
        return ERR_LIMIT;
    pin->run[pin->run_count++] = (struct dma_run){ pa.raw, PAGE_SIZE };
    return OK;
}

/* Find the pages, which the Memory keeps in place for us, and take a reference to each. */
static enum status collect(struct pin *pin, struct memory *memory, uint64_t first)
{
    enum status status = OK;

    for (uint64_t i = 0; i < pin->pages && status == OK; i++) {
        paddr_t pa;
        status = memory_page_address(memory, first + i, true, &pa);
        if (status == OK && frame_of(pa) == NULL)
            status = ERR_UNSUPPORTED;
        if (status == OK)
            status = runs_add(pin, pa);
        if (status == OK)
            frame_get(frame_of(pa));
    }
    return status;
}

/* ---- Life ---- */

/* What it holds of the driver's, and who pays for it, go; the pages stay. */
static void settle(struct pin *pin)
{
    memory_pin_release(&pin->pin);
    budget_uncharge(pin->payer, BUDGET_MEMORY, PAGE_SIZE);
    pin->payer = NULL;
}

static void pin_free(struct pin *pin)
{
    for (size_t i = 0; i < pin->run_count; i++)
        frame_put_range(frame_of(paddr(pin->run[i].address)),
                        (size_t)(pin->run[i].size_bytes >> PAGE_SHIFT));
    if (pin->payer != NULL)
        settle(pin);
    payer_free_page(NULL, pin);
}

enum status dma_pin_create(struct object *memory, uint64_t offset, uint64_t size_bytes,
                           uint64_t badge, struct budget *payer, struct pin **pin_out)
{
    struct pin *pin;
    uint64_t first = offset >> PAGE_SHIFT;

    if (!IS_ALIGNED(offset | size_bytes, PAGE_SIZE) || size_bytes == 0 ||
        size_bytes > DMA_PIN_PAGES_MAX * PAGE_SIZE)
        return ERR_RANGE;
    enum status status = payer_alloc_page(payer, &pin);
    if (status != OK)
        return status;
    pin->payer = payer;
    pin->devices = span_of_badge(badge, DMA_DEVICES);
    pin->pages = size_bytes >> PAGE_SHIFT;
    status = memory_pin_lightly(object_as_memory(memory), first, pin->pages, &pin->pin);
    if (status == OK)
        status = collect(pin, object_as_memory(memory), first);
    if (status == OK)
        *pin_out = pin;
    else
        pin_free(pin);
    return status;
}

void dma_pin_destroy(struct pin *pin_taken)
{
    pin_free(pin_taken);
}

const struct dma_run *dma_pin_runs(const struct pin *pin, size_t *count_out)
{
    *count_out = pin->run_count;
    return pin->run;
}

/* ---- Who has them ---- */

static struct pin *pin_of(struct list *node)
{
    return CONTAINER_OF(node, struct pin, node);
}

static bool spans_meet(struct span a, struct span b)
{
    return a.first < b.first + b.count && b.first < a.first + a.count;
}

static bool is_quarantined(struct span devices)
{
    LIST_FOR_EACH(node, &quarantine)
    {
        if (spans_meet(pin_of(node)->devices, devices))
            return true;
    }
    return false;
}

enum status dma_pin_attach(struct pin *pin, struct capability *capability, uint64_t *id_out)
{
    unsigned count = 0;

    if (is_quarantined(pin->devices))
        return ERR_BUSY;
    LIST_FOR_EACH(node, &capability->uses)
    {
        /* Nobody pays any more for the pages of a Memory that was destroyed. */
        if (READ_ONCE(pin_of(node)->pin.memory) == NULL)
            return ERR_BUSY;
        count++;
    }
    if (count >= DMA_PINS_MAX)
        return ERR_LIMIT;
    pin->id = ++last_id;
    list_push_back(&capability->uses, &pin->node);
    *id_out = pin->id;
    return OK;
}

static struct pin *find_attached(const struct capability *capability, uint64_t id)
{
    LIST_FOR_EACH(node, &capability->uses)
    {
        if (id == 0 || pin_of(node)->id == id)
            return pin_of(node);
    }
    return NULL;
}

static struct pin *find_quarantined(struct span devices, uint64_t id)
{
    LIST_FOR_EACH(node, &quarantine)
    {
        struct pin *pin = pin_of(node);
        if (span_within(pin->devices, devices) && (id == 0 || pin->id == id))
            return pin;
    }
    return NULL;
}

static enum status take_out(struct cspace *cspace, uint64_t handle, uint64_t id,
                            struct pin **pin_out)
{
    struct capability *capability;
    enum status status =
        capability_acquire(cspace, handle, OBJECT_DMA, RIGHT_DMA_UNPIN, &capability);

    if (status != OK)
        return status;
    struct pin *pin = find_attached(capability, id);
    if (pin == NULL)
        pin = find_quarantined(span_of_badge(capability->badge, DMA_DEVICES), id);
    if (pin != NULL)
        list_remove(&pin->node);
    capability_release(capability);
    *pin_out = pin;
    return OK;
}

enum status dma_unpin(struct cspace *cspace, uint64_t handle, uint64_t id, struct work *work)
{
    for (;;) {
        struct pin *pin;
        enum status status = take_out(cspace, handle, id, &pin);
        if (status != OK)
            return status;
        if (pin == NULL)
            return id == 0 ? OK : ERR_NOT_FOUND;
        uint32_t cost = 1 + (uint32_t)(pin->pages / PAGES_PER_WORK);
        pin_free(pin);
        work->left -= MIN(work->left, cost);
        if (id != 0)
            return OK;
        if (work->left == 0)
            return ERR_WOULD_BLOCK;
    }
}

/* ---- The object ---- */

/* Nobody has told the devices to stop. */
static enum status dma_detach(struct object *object, struct capability *capability,
                              struct work *work)
{
    (void)object;
    while (!list_empty(&capability->uses)) {
        if (work->left == 0)
            return ERR_WOULD_BLOCK;
        struct pin *pin = pin_of(capability->uses.next);
        list_remove(&pin->node);
        list_push_back(&quarantine, &pin->node);
        settle(pin);
        work_spend(work);
    }
    return OK;
}

static void dma_info(struct object *object, struct object_info *info)
{
    struct object_info_dma *dma = &info->detail.dma;
    struct span devices = span_of_badge(info->badge, DMA_DEVICES);

    dma->first = devices.first;
    dma->count = devices.count;
    spinlock_acquire(&object->lock);
    LIST_FOR_EACH(node, &quarantine)
    {
        if (span_within(pin_of(node)->devices, devices))
            dma->quarantined_pages += pin_of(node)->pages;
    }
    spinlock_release(&object->lock);
}

static const struct object_ops dma_object_ops = {
    .type = OBJECT_DMA, .detach = dma_detach, .uses_stay = true, .info = dma_info
};

void dma_init(void)
{
    list_init(&quarantine);
    object_init(&dma_object, &dma_object_ops);
}

enum status dma_part(uint64_t badge, uint64_t offset, uint64_t count, uint64_t *part_out)
{
    struct span part;
    enum status status = span_part(span_of_badge(badge, DMA_DEVICES), offset, count, &part);

    if (status == OK)
        *part_out = span_badge(part);
    return status;
}
