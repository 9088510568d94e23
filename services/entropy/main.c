/* entropy: random bytes for whoever asks (abi/protocols/entropy.abi).
 *
 * The CPU's own source is stirred into ChaCha20's key before every answer, and so is a counter that
 * nobody can read from outside at that moment. Without a source the service says so and gives
 * nothing: its answer is never a guess.
 */
#include <base/string.h>
#include <object_info.h>
#include <protocol_entropy.h>
#include <protocol_supervisor.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/random.h>
#include <rt/serve.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <rt_arch/cpu.h>
#include <stdbool.h>

struct entropy {
    bool present;
    uint64_t reads;
    struct random_state state;
};

/* False if the source falls silent. */
static bool stir(struct entropy *entropy)
{
    uint64_t word[RANDOM_SEED_BYTES / 8];
    uint8_t seed[RANDOM_SEED_BYTES];
    for (size_t i = 0; i < RANDOM_SEED_BYTES / 8; i++) {
        if (!rt_cpu_random(&word[i]))
            return false;
    }
    word[0] ^= rt_cpu_counter();
    memcpy(seed, word, sizeof(seed));
    random_stir(&entropy->state, seed);
    return true;
}

static enum status read_bytes(void *context, uint64_t badge, const struct entropy_read_in *in,
                              struct entropy_read_out *out)
{
    struct entropy *entropy = context;
    (void)badge;
    if (in->size == 0 || in->size > sizeof(out->random))
        return ERR_RANGE;
    if (!entropy->present || !stir(entropy))
        return ERR_UNSUPPORTED;
    random_take(&entropy->state, out->random, in->size);
    out->random_size = in->size;
    entropy->reads++;
    return OK;
}

static enum status state(void *context, uint64_t badge, struct entropy_state_out *out)
{
    const struct entropy *entropy = context;
    (void)badge;
    out->sources = entropy->present ? 1 : 0;
    out->reads = entropy->reads;
    return OK;
}

static const struct entropy_handlers handlers = { .read = read_bytes, .state = state };

static void serve(void *context, struct ipc_message *message)
{
    entropy_serve(&handlers, context, message);
}

/* Whether the CPU has a source, the kernel knows. */
static bool source_present(void)
{
    struct object_info info;
    return object_info(rt_handle("system"), &info, sizeof(info)) == OK &&
           info.detail.system.cpu_random != 0;
}

int main(void)
{
    static struct entropy entropy;
    entropy.present = source_present();
    struct rt_server server = {
        .endpoint = rt_handle("entropy"),
        .accept = ENTROPY_ACCEPT,
        .context = &entropy,
        .serve = serve,
    };
    if (supervisor_call_ready(rt_handle(STARTUP_SUPERVISOR), DEADLINE_NEVER) != OK)
        return 1;
    rt_log(entropy.present ? "random numbers come from the CPU" : "there is no source");
    (void)rt_serve(&server);
    return 1;
}
