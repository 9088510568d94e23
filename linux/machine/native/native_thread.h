/* A native thread, in its slot: found by the thread pointer. */
#pragma once

#include <base/compiler.h>
#include <base/list.h>

#include "native_impl.h"

enum { VECTOR_BYTES_MAX = 7168 };

struct vcpu {
    struct vcpu_head head; /* first: machine.h says so */
    struct vcpu *self;     /* at offset 16: see vcpu_self */
    void (*run)(void *argument);
    void *argument;
    struct guest_space *space;
    uint64_t thread;
    volatile int alive; /* 0: nobody is on its stack */
    bool bind;          /* the kernel does not know the state page yet */
    bool vector_set;    /* `vector` is to be loaded when it begins */
    struct list link;   /* free slots */
    uint8_t vector[VECTOR_BYTES_MAX] ALIGNED(64);
};

/* ---- linux/machine/native/arch ---- */

struct vcpu *native_cpu_self(void);
void native_vector_init(void);
size_t native_vector_size(void);
void native_vector_save(void *area);
void native_vector_load(const void *area);
/* As a new program finds them. */
void native_vector_initial(void *area);
/* A stranger's: whatever the CPU would refuse becomes harmless. */
void native_vector_check(void *area);
