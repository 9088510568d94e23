/* Locks of the personality: rt_lock, and what protects what.
 *
 * Order, outermost first; whoever holds one takes only later ones:
 *
 *     0 epoll       which files are watched, then one epoll (file/epoll.c)
 *       file        the position of an open file that has one (file/); not of others
 *       node        of a directory of /proc
 *     1 processes   the tree: parents, groups, sessions, ids (proc/)
 *     2 mm          one address space: its areas and its guest
 *     3 names       the tree of names: rename, mounts (file/)
 *       owners      modes and owners of files while they change (file/attr_calls.c)
 *     4 node        one node: contents, size, attributes; a directory before what is in
 *                   it, otherwise in the order of addresses
 *     5 files       one table of descriptors
 *       pool        pieces of it (file/pool.c)
 *     6 channel     a pipe, terminal, socket, epoll, event counter
 *       posix_timers.lock: timers of one process that send signals (time/timers.c)
 *     7 signals     one process's handlers and what is pending for it and its threads
 *     8 queue       a wait queue; then those of the epolls that watch, from inside to outside
 *     9 futex       a bucket; the word itself is read under it (guest_load_32, no copies)
 *    10 timers
 *    11 task->lock, accounts: leaves, with nothing but the heap inside
 *    12 heap
 *
 * A copy to or from a guest can fault and wait for the kernel only, never for another thread, so it
 * is allowed under any lock but `queue` and later.
 */
#pragma once

#include <rt/lock.h>
