/* The beginning: what the machine calls when it is ready. */
#pragma once

/* On the first native thread, which is no Linux thread. */
_Noreturn void linux_main(void);
