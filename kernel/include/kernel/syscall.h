/* System calls: abi/syscalls.abi lists them, kernel/sys has a handler for each, and the code
 * between is made from the table (tools/abigen).
 *
 * A handler gets a private copy of its arguments, every word already checked for what its type in
 * the table says. It returns a status, or nothing where the table lists no error; a result goes
 * into *ret, and out only with OK.
 */
#pragma once

#include <syscall_handlers.h>
