/* The checks around lib/rt/arch/.../guest.S. */
#include <rt/guest.h>

size_t guest_copy_bytes(void *to, const void *from, size_t size_bytes);
extern const char guest_copy_start[], guest_copy_end[], guest_copy_recover[];

void guest_state_init(struct guest_state *state)
{
    state->recover_start = (uint64_t)(uintptr_t)guest_copy_start;
    state->recover_end = (uint64_t)(uintptr_t)guest_copy_end;
    state->recover_at = (uint64_t)(uintptr_t)guest_copy_recover;
}

static int is_guests(uint64_t at, size_t size_bytes)
{
    return at < GUEST_END && size_bytes <= GUEST_END - at;
}

size_t guest_copy_in(void *to, uint64_t from, size_t size_bytes)
{
    if (!is_guests(from, size_bytes))
        return size_bytes;
    return guest_copy_bytes(to, (const void *)(uintptr_t)from, size_bytes);
}

size_t guest_copy_out(uint64_t to, const void *from, size_t size_bytes)
{
    if (!is_guests(to, size_bytes))
        return size_bytes;
    return guest_copy_bytes((void *)(uintptr_t)to, from, size_bytes);
}
