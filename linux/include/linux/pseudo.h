/* Files whose contents are made when they are read: /proc and /sys.
 *
 * A text is made anew by each read at position 0, so that who reads again from the start sees what
 * is so then, and who reads on sees one text.
 */
#pragma once

#include <base/compiler.h>
#include <linux/names.h>

struct process;
struct task;

/* A text that grows. When there is no memory for more it fails as a whole. */
struct text {
    char *bytes; /* heap */
    size_t size_bytes, room_bytes;
    bool failed;
    uint64_t memory; /* an open file's: of which memory it is to tell (mm->serial) */
};
void text_add(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
void text_add_bytes(struct text *text, const void *bytes, size_t size_bytes);
void text_add_octal(struct text *text, uint32_t value, unsigned digits); /* at most 11 */
/* As a path in /proc/mounts and maps has it: blanks, line ends and backslashes as \ooo. */
void text_add_path(struct text *text, const char *path, const char *escaped);

struct pseudo_node;

/* One kind of file. */
struct pseudo_entry {
    const char *name;
    uint32_t mode; /* with its type */
    /* A regular file's text, if it is always the same, or what makes it: 0, or -ESRCH once its
     * process is gone. A file with neither cannot be read. */
    const char *text;
    int (*show)(struct pseudo_node *node, struct text *text);
    /* All that one write gives, at most 4095 bytes and an end; 0 or an error. */
    int (*store)(struct pseudo_node *node, char *bytes, size_t size_bytes);
    /* Others: their operations. */
    const struct node_ops *ops;
};

struct pseudo_node {
    struct node node;
    const struct pseudo_entry *entry;
    struct task *task; /* counted, or NULL: the thread, or the process's leader */
    bool whole;        /* it stands for the process, not for one thread */
    int32_t number;    /* a descriptor */
};

static inline struct pseudo_node *pseudo_node(struct node *node)
{
    return CONTAINER_OF(node, struct pseudo_node, node);
}

struct text *pseudo_text(struct file *file);       /* of an open one of these: */
extern const struct node_ops pseudo_file_ops;      /* text, show and store */
extern const struct node_ops pseudo_directory_ops; /* entries that pseudo_add made */

/* `task` is counted for the node. */
int pseudo_create(struct file_system *file_system, const struct pseudo_entry *entry,
                  struct task *task, struct node **node_out);
void pseudo_free(struct node *node);
/* Only a change of size is fine, and does nothing. */
int pseudo_set_attributes(struct node *node, const struct node_attributes *attributes,
                          unsigned which);
/* A root directory with that entry. */
int pseudo_root(const char *type, uint32_t magic, const struct pseudo_entry *entry,
                struct file_system **file_system_out, struct name **root_out);
/* Where an entry stands below a root: "a/b/c". */
struct pseudo_place {
    const char *path;
    struct pseudo_entry entry;
};
#define PSEUDO_FILE(where, function)                                                               \
    {                                                                                              \
        .path = (where), .entry = {.mode = S_IFREG | 0444, .show = (function) }                    \
    }
#define PSEUDO_TEXT(where, what)                                                                   \
    {                                                                                              \
        .path = (where), .entry = {.mode = S_IFREG | 0444, .text = (what) }                        \
    }
#define PSEUDO_FOLDER(where)                                                                       \
    {                                                                                              \
        .path = (where), .entry = {.mode = S_IFDIR | 0555 }                                        \
    }
/* All of them, with the directories on the way; `places` must stay. Paths in one folder that follow
 * each other cost least. An error leaves those before it. */
int pseudo_add(struct name *root, const struct pseudo_place *places, size_t count);
