/* The texts of the status codes, one case for each line of abi/errors.def. */
#include <base/status.h>

const char *status_text(enum status status)
{
#define ERROR(name, value, text)                                                                   \
    case ERR_##name:                                                                               \
        return (text);
    switch (status) {
    case OK:
        return "ok";
#include <errors.def>
    }
#undef ERROR
    return "unknown error";
}
