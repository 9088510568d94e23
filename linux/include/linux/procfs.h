/* /proc: what linux/file/proc*.c and the CPU's cpuinfo share. proc(5). */
#pragma once

#include <base/fmt.h>
#include <linux/limits.h>
#include <linux/pool.h>
#include <linux/pseudo.h>

extern const struct node_ops proc_root_ops, proc_self_ops, proc_thread_self_ops;
extern const struct node_ops proc_text_link_ops; /* the entry's text is where it leads */

int proc_show_cpus(struct pseudo_node *node, struct text *text); /* linux/arch/ARCH/cpuinfo.c */
/* A process's memory (file/proc_mm.c). */
int proc_show_maps(struct pseudo_node *node, struct text *text);
int proc_show_smaps(struct pseudo_node *node, struct text *text);
int proc_show_cmdline(struct pseudo_node *node, struct text *text);
int proc_show_environ(struct pseudo_node *node, struct text *text);
int proc_show_auxiliary(struct pseudo_node *node, struct text *text);
/* Who opens it must be allowed to look, then who has it may read: of the memory that there was, and
 * not of what the process executes afterwards. */
int proc_memory_open(struct node *node, struct file *file);
/* In bytes; 0, or nothing at all if it has no memory any more. */
struct proc_memory {
    uint64_t total_bytes, peak_bytes, data_bytes, resident_bytes, locked_bytes, stack_bytes;
    uint64_t executable_bytes;
    uint64_t code_start, code_end, data_start, data_end, brk_start, stack_top;
    uint64_t argument_start, argument_end, environment_start, environment_end;
};
void proc_memory(struct task *task, struct proc_memory *memory_out);
/* Mounts as the process sees them (file/proc_mounts.c). */
int proc_show_mounts(struct pseudo_node *node, struct text *text);
int proc_show_mountinfo(struct pseudo_node *node, struct text *text);
extern const struct node_ops proc_fd_ops, proc_fdinfo_ops, proc_net_ops;

/* Where the entries of one kind of directory stand. */
struct proc_table {
    const struct pseudo_entry *entries;
    size_t count;
};
int proc_table_lookup(struct node *directory, const struct proc_table *table, const char *name,
                      size_t length, struct node **node_out);
int proc_table_readdir(const struct proc_table *table, uint64_t *position,
                       struct directory_sink *sink);
/* A node of the directory's process. */
int proc_entry_node(struct node *directory, const struct pseudo_entry *entry,
                    struct node **node_out);

/* Whose directory /proc/PID it is, counted; NULL for other files. */
struct process *proc_directory_process(struct file *file);

/* For nodes of a process. */
int proc_task_attributes(struct node *node, struct node_attributes *attributes);
bool proc_task_there(struct node *node);
int proc_file_open(struct node *node, struct file *file);

int32_t proc_number(const char *name, size_t length); /* -1: none */
bool proc_give_number(struct directory_sink *sink, int32_t number, uint64_t inode, uint32_t type,
                      uint64_t next);
int64_t proc_text(const char *text, char *to, size_t size_bytes); /* cut to fit; its length */
#define PROC_PID_POSITION ((uint64_t)1 << 32)
