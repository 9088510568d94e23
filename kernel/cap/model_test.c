/* Capabilities against a slow and obvious model: a flat list, each entry with the number of the one
 * that it was derived from. Random operations, some of them in slices with others in between; after
 * each, everything that can be seen is compared.
 */
#include "cap_test.h"

enum { ENTRY_MAX = 160, STEP_COUNT = 4000, NOBODY = ENTRY_MAX };

struct entry {
    uint64_t handle; /* HANDLE_NONE: the entry is free */
    uint64_t badge;
    struct object *object; /* borrowed */
    uint32_t rights;
    unsigned table;
    unsigned parent; /* or NOBODY */
    bool revoking;
};

static struct world world;
static struct entry entries[ENTRY_MAX];
static uint64_t random_state;

static unsigned random_below(unsigned limit)
{
    return (unsigned)(test_random(&random_state) % limit);
}

static bool in_use(unsigned i)
{
    return entries[i].handle != HANDLE_NONE;
}

static unsigned depth_of(unsigned i)
{
    unsigned depth = 0;

    for (; i != NOBODY; i = entries[i].parent)
        depth++;
    return depth;
}

static bool below(unsigned i, unsigned ancestor)
{
    for (i = entries[i].parent; i != NOBODY; i = entries[i].parent) {
        if (i == ancestor)
            return true;
    }
    return false;
}

static bool under_revocation(unsigned i)
{
    for (; i != NOBODY; i = entries[i].parent) {
        if (entries[i].revoking)
            return true;
    }
    return false;
}

static unsigned free_entry(void)
{
    for (unsigned i = 0; i < ENTRY_MAX; i++) {
        if (!in_use(i))
            return i;
    }
    return NOBODY;
}

/* ---- Operations, on both ---- */

static void create(void)
{
    unsigned i = free_entry();
    unsigned table = random_below(WORLD_TABLES);
    uint64_t handle;

    if (i == NOBODY)
        return;
    uint32_t rights = object_type_rights(OBJECT_ENDPOINT);
    struct thing *thing = thing_create(OBJECT_ENDPOINT, world.budget);
    if (thing == NULL ||
        cspace_create(&world.table[table], &thing->object, rights, &handle) != OK) {
        test_fail(__FILE__, __LINE__, "create");
        return;
    }
    object_put(&thing->object);
    entries[i] = (struct entry){ .handle = handle,
                                 .object = &thing->object,
                                 .rights = rights,
                                 .table = table,
                                 .parent = NOBODY };
}

static enum status expected_copy(unsigned i, unsigned to, const struct capability_mint *mint)
{
    const struct entry *source = &entries[i];

    if (source->table != to && (source->rights & RIGHT_ANY_GRANT) == 0)
        return ERR_ACCESS;
    if ((mint->rights & ~source->rights) != 0)
        return ERR_ACCESS;
    if (mint->badge != 0 && (source->badge != 0 || (source->rights & RIGHT_ENDPOINT_RECEIVE) == 0))
        return ERR_ACCESS;
    if (under_revocation(i))
        return ERR_STATE;
    return depth_of(i) < CAPABILITY_DEPTH_MAX ? OK : ERR_LIMIT;
}

static void copy(unsigned i)
{
    unsigned to = random_below(WORLD_TABLES);
    unsigned made = free_entry();
    uint64_t handle = HANDLE_NONE;
    struct capability_mint mint = { .rights = entries[i].rights };

    if (made == NOBODY)
        return;
    if (random_below(3) == 0)
        mint.rights &= (uint32_t)test_random(&random_state);
    if (random_below(20) == 0)
        mint.rights |= RIGHT_ANY_REVOKE | RIGHT_ENDPOINT_SEND;
    if (random_below(6) == 0)
        mint.badge = 1 + random_below(5);
    enum status expected = expected_copy(i, to, &mint);
    EXPECT_EQ(cspace_copy(&world.table[entries[i].table], entries[i].handle, &mint,
                          &world.table[to], &handle),
              expected);
    if (expected != OK)
        return;
    entries[made] = (struct entry){ .handle = handle,
                                    .badge = mint.badge != 0 ? mint.badge : entries[i].badge,
                                    .object = entries[i].object,
                                    .rights = mint.rights,
                                    .table = to,
                                    .parent = i };
}

static void move(unsigned i)
{
    struct entry *entry = &entries[i];
    unsigned to = random_below(WORLD_TABLES);
    uint64_t handle = HANDLE_NONE;
    enum status expected = OK;

    if (entry->table != to && (entry->rights & RIGHT_ANY_GRANT) == 0)
        expected = ERR_ACCESS;
    else if (entry->revoking)
        expected = ERR_STATE;
    uint64_t old = entry->handle;
    struct cspace *from = &world.table[entry->table];
    EXPECT_EQ(cspace_move(from, old, &world.table[to], &handle), expected);
    if (expected != OK)
        return;
    EXPECT(!handle_works(from, old));
    entry->table = to;
    entry->handle = handle;
}

static void close(unsigned i)
{
    EXPECT_EQ(close_all(&world.table[entries[i].table], entries[i].handle), OK);
    for (unsigned child = 0; child < ENTRY_MAX; child++) {
        if (in_use(child) && entries[child].parent == i)
            entries[child].parent = entries[i].parent;
    }
    entries[i].handle = HANDLE_NONE;
}

/* Drop what the slice has removed: all of it below `i`, and nothing that something hangs on. */
static void forget_removed(unsigned i)
{
    bool gone[ENTRY_MAX] = { false };

    for (unsigned at = 0; at < ENTRY_MAX; at++)
        gone[at] = in_use(at) && below(at, i) &&
                   !handle_works(&world.table[entries[at].table], entries[at].handle);
    for (unsigned at = 0; at < ENTRY_MAX; at++) {
        if (in_use(at) && !gone[at])
            EXPECT(entries[at].parent == NOBODY || !gone[entries[at].parent]);
    }
    for (unsigned at = 0; at < ENTRY_MAX; at++) {
        if (gone[at])
            entries[at].handle = HANDLE_NONE;
    }
}

static void revoke(unsigned i)
{
    struct entry *entry = &entries[i];
    struct work work = { .left = 1 + random_below(4) };
    uint32_t most = work.left;
    unsigned descendants = 0;
    unsigned left = 0;

    for (unsigned at = 0; at < ENTRY_MAX; at++)
        descendants += in_use(at) && below(at, i);
    enum status status = cspace_revoke(&world.table[entry->table], entry->handle, &work);
    if ((entry->rights & RIGHT_ANY_REVOKE) == 0) {
        EXPECT_EQ(status, ERR_ACCESS);
        return;
    }
    EXPECT_EQ(status, descendants <= most ? OK : ERR_WOULD_BLOCK);
    forget_removed(i);
    for (unsigned at = 0; at < ENTRY_MAX; at++)
        left += in_use(at) && below(at, i);
    EXPECT_EQ(left, descendants <= most ? 0 : descendants - most);
    entry->revoking = status == ERR_WOULD_BLOCK;
}

/* A process ends and another begins. */
static void restart(unsigned table)
{
    struct work work = { .left = UINT32_MAX };

    EXPECT_EQ(cspace_clear(&world.table[table], &work), OK);
    for (unsigned i = 0; i < ENTRY_MAX; i++) {
        if (!in_use(i) || entries[i].table != table)
            continue;
        EXPECT(!handle_works(&world.table[table], entries[i].handle));
        for (unsigned child = 0; child < ENTRY_MAX; child++) {
            if (in_use(child) && entries[child].parent == i)
                entries[child].parent = entries[i].parent;
        }
        entries[i].handle = HANDLE_NONE;
    }
    EXPECT_EQ(cspace_init(&world.table[table], world.budget, 1000 + table), OK);
}

/* ---- The comparison ---- */

static void check_entry(unsigned i)
{
    const struct entry *entry = &entries[i];
    struct capability *capability;

    if (capability_acquire(&world.table[entry->table], entry->handle, OBJECT_ENDPOINT,
                           entry->rights, &capability) != OK) {
        test_fail(__FILE__, __LINE__, "a capability is missing");
        return;
    }
    EXPECT(capability->object == entry->object);
    EXPECT_EQ(capability->rights, entry->rights);
    EXPECT_EQ(capability->badge, entry->badge);
    EXPECT_EQ(capability->parent != NULL, entry->parent != NOBODY);
    if (capability->parent != NULL && entry->parent != NOBODY) {
        EXPECT_EQ(capability->parent->handle, entries[entry->parent].handle);
        EXPECT(capability->parent->cspace == &world.table[entries[entry->parent].table]);
    }
    capability_release(capability);
}

static void check_all(void)
{
    unsigned count = 0;
    unsigned listed = 0;

    for (unsigned i = 0; i < ENTRY_MAX; i++) {
        if (!in_use(i))
            continue;
        count++;
        check_entry(i);
    }
    for (unsigned table = 0; table < WORLD_TABLES; table++) {
        struct handle_info info[8];
        uint32_t cursor = 0;
        do
            listed += (unsigned)cspace_inspect(&world.table[table], &cursor, info, ARRAY_LEN(info));
        while (cursor != 0);
    }
    EXPECT_EQ(listed, count);
    EXPECT_EQ(budget_used(world.budget, BUDGET_CAPABILITIES), count);
}

static void one_step(void)
{
    unsigned i = random_below(ENTRY_MAX);
    unsigned what = random_below(100);

    if (what == 0)
        restart(random_below(WORLD_TABLES));
    else if (!in_use(i) && what < 10)
        create();
    else if (!in_use(i))
        return;
    else if (what < 70)
        copy(i);
    else if (what < 80)
        move(i);
    else if (what < 88)
        close(i);
    else
        revoke(i);
}

TEST(random_operations_agree_with_a_list)
{
    random_state = test_seed();
    for (unsigned i = 0; i < ENTRY_MAX; i++)
        entries[i].handle = HANDLE_NONE;
    REQUIRE(world_create(&world));
    for (unsigned step = 0; step < STEP_COUNT && !test_has_failed(); step++) {
        one_step();
        check_all();
    }
    for (unsigned i = 0; i < ENTRY_MAX; i++) {
        if (in_use(i) && entries[i].parent == NOBODY)
            object_check(entries[i].object);
    }
    world_destroy(&world);
}
