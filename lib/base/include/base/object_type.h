/* The types of objects and the rights to them, by number: abi/objects.def and abi/rights.def. */
#pragma once

#include <base/compiler.h>
#include <stdbool.h>

#define OBJECT(name, number, text) OBJECT_##name = (number),
enum object_type {
    OBJECT_ANY = 0, /* no object's type: in a question, any will do */
#include <objects.def>
    OBJECT_TYPE_COUNT
};
#undef OBJECT

#define RIGHT(object, name, bit, text) RIGHT_##object##_##name = 1 << (bit),
enum {
#include <rights.def>
};
#undef RIGHT

/* Every bit that means something to some object. */
#define RIGHT(object, name, bit, text) | (1 << (bit))
enum {
    RIGHTS_ALL = 0
#include <rights.def>
};
#undef RIGHT

static inline bool object_type_valid(uint64_t word)
{
    return word != OBJECT_ANY && word < OBJECT_TYPE_COUNT;
}

/* What a capability for this type of object can carry at most; 0 for no type. */
uint32_t object_type_rights(enum object_type type);
/* As in the table; never NULL, also for what is no type. */
const char *object_type_name(enum object_type type);
/* The name of this bit for this type, or NULL. */
const char *object_right_name(enum object_type type, unsigned bit);
