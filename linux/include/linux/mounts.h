/* The tree of a container at its start, and file systems that are made by the personality. */
#pragma once

#include <linux/memfs.h>

/* The root from `layers` (uppermost first, may be none), and what a runtime mounts over it: /proc,
 * /sys, /dev with its devices, /dev/pts, /dev/shm, /dev/mqueue; directories for them are made where
 * the image lacks them. Once, before any path is looked for; pool_create comes first. */
int mounts_start(const struct layer *layers, unsigned count);
/* The root stays as it is from now on, and with it all but what is mounted on it. -EBUSY: a file
 * is open for writing. */
int mounts_keep_root(void);
void mounts_end(void); /* tests */

/* proc, sysfs, devpts by the name that mount(2) has for them; counted. -ENODEV. */
int pseudo_find(const char *type, struct file_system **file_system_out, struct name **root_out);
/* Put one there. Takes both. */
void pseudo_register(struct file_system *file_system_taken, struct name *root_taken);

/* Entries of the mounted /dev/pts, a number each (file/pty.c). */
int devpts_add(uint32_t number, uint32_t uid, uint32_t gid, uint32_t mode);
void devpts_remove(uint32_t number);

/* What /proc/PID/stat tells of a terminal: its device number and its foreground group. Once, by
 * file/tty.c. */
struct tty;
typedef void tty_describe(struct tty *tty, uint32_t *device_out, int32_t *group_out);
void tty_register(tty_describe *describe);
