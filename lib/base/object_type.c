#include <base/object_type.h>

#define RIGHT(object, name, bit, text) { OBJECT_##object, (bit), #name },
static const struct {
    enum object_type type; /* ANY: of every object */
    unsigned bit;
    const char *name;
} rights[] = {
#include <rights.def>
};
#undef RIGHT

/* Of a type that the compiler knows this is a number. */
static ALWAYS_INLINE uint32_t rights_of(enum object_type type)
{
    uint32_t found = 0;
#define RIGHT(object, name, bit, text)                                                             \
    found |= OBJECT_##object == type || OBJECT_##object == OBJECT_ANY ? 1u << (bit) : 0;
#include <rights.def>
#undef RIGHT
    return found;
}

uint32_t object_type_rights(enum object_type type)
{
    switch (type) {
#define OBJECT(name, number, text)                                                                 \
    case OBJECT_##name:                                                                            \
        return rights_of(OBJECT_##name);
#include <objects.def>
#undef OBJECT
    case OBJECT_ANY:
    case OBJECT_TYPE_COUNT:
        break;
    }
    return 0;
}

const char *object_type_name(enum object_type type)
{
#define OBJECT(name, number, text) [number] = #name,
    static const char *const names[OBJECT_TYPE_COUNT] = {
#include <objects.def>
    };
#undef OBJECT
    return object_type_valid(type) ? names[type] : "no object";
}

const char *object_right_name(enum object_type type, unsigned bit)
{
    for (size_t i = 0; object_type_valid(type) && i < ARRAY_LEN(rights); i++) {
        if (rights[i].bit == bit && (rights[i].type == type || rights[i].type == OBJECT_ANY))
            return rights[i].name;
    }
    return NULL;
}
