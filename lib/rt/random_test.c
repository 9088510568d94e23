#include <base/string.h>
#include <base/test.h>
#include <rt/random.h>

/* RFC 8439, appendix A.1, test vectors 1 and 2: the key stream of the zero key, blocks 0 and 1. The
 * first half of block 0 becomes the key, so output begins with its second half.
 */
static const uint8_t zero_key_stream[] = {
    0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37,
    0x6a, 0x43, 0xb8, 0xf4, 0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86,
    0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a, 0x98, 0xba, 0x97, 0x7c, 0x73, 0x2d, 0x08, 0x0d,
    0xcb, 0x0f, 0x29, 0xa0, 0x48, 0xe3, 0x65, 0x69, 0x12, 0xc6, 0x53, 0x3e, 0x32, 0xee, 0x7a, 0xed,
    0x29, 0xb7, 0x21, 0x76, 0x9c, 0xe6, 0x4e, 0x43, 0xd5, 0x71, 0x33, 0xb0, 0x74, 0xd8, 0x39, 0xd5,
    0x31, 0xed, 0x1f, 0x28, 0x51, 0x0a, 0xfb, 0x45, 0xac, 0xe1, 0x0a, 0x1f, 0x4b, 0x79, 0x4d, 0x6f,
};

TEST(bytes_are_those_of_chacha20)
{
    struct random_state state = { 0 };
    uint8_t bytes[sizeof(zero_key_stream)];
    random_take(&state, bytes, sizeof(bytes));
    EXPECT(memcmp(bytes, zero_key_stream, sizeof(bytes)) == 0);
}

TEST(the_key_is_replaced_at_every_use)
{
    struct random_state state = { 0 };
    uint8_t one[48];
    uint8_t other[48];
    random_take(&state, one, sizeof(one));
    random_take(&state, other, sizeof(other));
    EXPECT(memcmp(one, other, sizeof(one)) != 0);
}

TEST(small_pieces_are_the_stream_and_are_forgotten)
{
    struct random_state state = { 0 };
    uint8_t bytes[RANDOM_SEED_BYTES];
    for (size_t i = 0; i < sizeof(bytes); i += 8)
        random_take(&state, bytes + i, 8);
    EXPECT(memcmp(bytes, zero_key_stream, sizeof(bytes)) == 0);
    for (size_t i = 0; i < sizeof(state.ready); i++)
        EXPECT_EQ(state.ready[i], 0);
    /* What is ready is too little: it begins anew, with another key. */
    random_take(&state, bytes, 8);
    EXPECT(memcmp(bytes, zero_key_stream, 8) != 0);
    EXPECT_EQ(state.ready_count, RANDOM_SEED_BYTES - 8);
    uint8_t more[RANDOM_SEED_BYTES];
    random_take(&state, more, sizeof(more));
    EXPECT(memcmp(bytes, more, 8) != 0);
    EXPECT_EQ(state.ready_count, 0);
}

TEST(a_new_seed_leaves_nothing_ready)
{
    struct random_state state = { 0 };
    uint8_t seed[RANDOM_SEED_BYTES] = { 1 };
    uint8_t byte;
    random_take(&state, &byte, 1);
    EXPECT_EQ(state.ready_count, RANDOM_SEED_BYTES - 1);
    random_stir(&state, seed);
    EXPECT_EQ(state.ready_count, 0);
    for (size_t i = 0; i < sizeof(state.ready); i++)
        EXPECT_EQ(state.ready[i], 0);
}

TEST(more_seed_changes_what_follows_and_a_bad_one_takes_nothing_away)
{
    struct random_state good = { 0 };
    struct random_state bad = { 0 };
    uint8_t seed[RANDOM_SEED_BYTES] = { 1 };
    uint8_t one[16];
    uint8_t other[16];
    random_stir(&good, seed);
    random_stir(&bad, seed);
    memset(seed, 0, sizeof(seed));
    random_stir(&bad, seed);
    random_take(&good, one, sizeof(one));
    random_take(&bad, other, sizeof(other));
    EXPECT(memcmp(one, other, sizeof(one)) != 0);
    struct random_state empty = { 0 };
    random_take(&empty, other, sizeof(other));
    EXPECT(memcmp(one, other, sizeof(one)) != 0);
}
