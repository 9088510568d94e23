/* Whom an image's "user" means: names by its own /etc/passwd and /etc/group, numbers as they are.
 * passwd(5), group(5).
 */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/container.h>
#include <linux/heap.h>
#include <linux/node.h>

enum { DATABASE_BYTES_MAX = 1 << 20, NAME_BYTES = 64, FIELDS = 7 };

/* A whole file with an end behind it; *text_out NULL: there is none. */
static int read_database(const char *name, char **text_out)
{
    struct path path;
    struct node_attributes attributes = { 0 };
    *text_out = NULL;
    if (path_find(AT_FDCWD, name, LOOKUP_FOLLOW, &path) != 0)
        return 0;
    struct node *node = path_node(&path);
    int error = node_attributes(node, &attributes);
    if (error == 0 && (attributes.mode & S_IFMT) != S_IFREG)
        error = -EINVAL;
    size_t size_bytes = (size_t)MIN(attributes.size_bytes, (uint64_t)DATABASE_BYTES_MAX);
    char *text = error == 0 ? heap_alloc(size_bytes + 1) : NULL;
    if (error == 0 && text == NULL)
        error = -ENOMEM;
    if (error == 0 && node_read(node, text, size_bytes, 0) < 0)
        error = -EIO;
    path_put(&path);
    if (error == 0)
        *text_out = text;
    else
        heap_free(text);
    return error;
}

/* The fields of a line, ended; the next line, or NULL. */
static char *split(char *line, char *field[FIELDS])
{
    static char nothing[1];
    char *next = strchr(line, '\n');
    if (next != NULL)
        *next++ = '\0';
    for (unsigned i = 0; i < FIELDS; i++)
        field[i] = nothing;
    for (unsigned i = 0; i < FIELDS; i++) {
        field[i] = line;
        line = strchr(line, ':');
        if (line == NULL)
            break;
        *line++ = '\0';
    }
    return next;
}

static bool number(const char *text, uint32_t *number_out)
{
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value >= UINT32_MAX)
            return false;
    }
    *number_out = (uint32_t)value;
    return true;
}

/* By name, or else (numbers) by id; the name that was found goes to `name`. */
static bool find_user(char *database, const char *wanted, struct user *user, char *name)
{
    uint32_t id = 0, uid, gid;
    bool by_id = number(wanted, &id);
    for (char *line = database, *next; line != NULL; line = next) {
        char *field[FIELDS];
        next = split(line, field);
        if (!number(field[2], &uid) || !number(field[3], &gid))
            continue;
        if (strcmp(field[0], wanted) != 0 && !(by_id && uid == id))
            continue;
        user->uid = uid;
        user->gid = gid;
        (void)strlcpy(user->home, field[5][0] == '/' ? field[5] : "/", sizeof(user->home));
        (void)strlcpy(name, field[0], NAME_BYTES);
        return true;
    }
    return false;
}

static bool is_member(const char *members, const char *name)
{
    size_t length = strlen(name);
    while (*members != '\0') {
        const char *end = strchr(members, ',');
        size_t part = end != NULL ? (size_t)(end - members) : strlen(members);
        if (part == length && strncmp(members, name, length) == 0)
            return true;
        members += part + (end != NULL);
    }
    return false;
}

/* The group that is wanted (NULL: none), and those that the user is a member of. */
static bool find_groups(char *database, const char *wanted, const char *name, struct user *user)
{
    bool found = wanted == NULL;
    uint32_t gid;
    for (char *line = database, *next; line != NULL; line = next) {
        char *field[FIELDS];
        next = split(line, field);
        if (!number(field[2], &gid))
            continue;
        if (!found && strcmp(field[0], wanted) == 0) {
            user->gid = gid;
            found = true;
        }
        if (wanted == NULL && name[0] != '\0' && is_member(field[3], name) &&
            user->group_count < ARRAY_LEN(user->groups))
            user->groups[user->group_count++] = gid;
    }
    return found;
}

static int resolve_user(const char *wanted, struct user *user, char *name)
{
    char *database;
    int error = read_database("/etc/passwd", &database);
    if (error != 0)
        return error;
    bool found = database != NULL && find_user(database, wanted, user, name);
    heap_free(database);
    if (!found && !number(wanted, &user->uid))
        return -EINVAL;
    return 0;
}

static int resolve_groups(const char *wanted, const char *name, struct user *user)
{
    char *database;
    int error = read_database("/etc/group", &database);
    if (error != 0)
        return error;
    bool found = wanted == NULL;
    if (database != NULL)
        found = find_groups(database, wanted, name, user);
    heap_free(database);
    return found || number(wanted, &user->gid) ? 0 : -EINVAL;
}

int user_find(const char *text, struct user *user_out)
{
    char wanted[NAME_BYTES], name[NAME_BYTES] = "";
    *user_out = (struct user){ .home = "/" };
    if (strlcpy(wanted, text[0] != '\0' ? text : "0", sizeof(wanted)) >= sizeof(wanted))
        return -EINVAL;
    char *group = strchr(wanted, ':');
    if (group != NULL)
        *group++ = '\0';
    if (group != NULL && group[0] == '\0')
        group = NULL;
    int error = resolve_user(wanted[0] != '\0' ? wanted : "0", user_out, name);
    return error == 0 ? resolve_groups(group, name, user_out) : error;
}
