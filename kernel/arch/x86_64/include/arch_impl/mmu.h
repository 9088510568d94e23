/* An address space as x86_64 sees it. */
#pragma once

#include <arch_impl/pcid.h>

struct arch_vspace {
    struct pcid_space pcid;
    struct pcid_space inside; /* of the second root */
};
