#include <rt/lock.h>
#include <rt/random.h>

static struct rt_lock lock;
static struct random_state own;

void rt_random_stir(const uint8_t seed[RANDOM_SEED_BYTES])
{
    rt_lock(&lock);
    random_stir(&own, seed);
    rt_unlock(&lock);
}

void rt_random_bytes(void *to, size_t size_bytes)
{
    rt_lock(&lock);
    random_take(&own, to, size_bytes);
    rt_unlock(&lock);
}
