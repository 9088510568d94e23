/* A fuzzer that must find something: it proves that coverage guides the inputs, that the sanitizer
 * watches, and that a crash fails the run.
 */
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static const uint8_t room[4] = { 1, 2, 3, 4 };
    if (size_bytes < 4 || data[0] != 'b' || data[1] != 'i' || data[2] != 'r')
        return 0;
    return room[data[3]] == 0 ? 0 : -1; /* beyond the end for nearly every value */
}
