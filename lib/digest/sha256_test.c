/* The examples of FIPS 180-4 and of NIST's test vectors. */
#include <base/string.h>
#include <base/test.h>
#include <digest/sha256.h>

static bool digest_is(const void *data, size_t size_bytes, const char *hex)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[SHA256_BYTES];
    sha256(data, size_bytes, digest);
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        if (hex[2 * i] != digits[digest[i] >> 4] || hex[2 * i + 1] != digits[digest[i] & 15])
            return false;
    }
    return true;
}

TEST(digests_are_those_of_the_standard)
{
    static const struct {
        const char *text;
        const char *hex;
    } cases[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
        { "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
          "l"
          "mnopqrsmnopqrstnopqrstu",
          "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        EXPECT(digest_is(cases[i].text, strlen(cases[i].text), cases[i].hex));
}

TEST(a_million_letters_have_the_standard_digest)
{
    static char letters[1000000];
    memset(letters, 'a', sizeof(letters));
    EXPECT(digest_is(letters, sizeof(letters),
                     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
}

/* Around the places where the padding needs a block of its own. */
TEST(every_length_near_a_block_has_a_digest_of_its_own)
{
    static const uint8_t zeroes[200];
    uint8_t last[SHA256_BYTES] = { 0 }, now[SHA256_BYTES];
    for (size_t length = 0; length < sizeof(zeroes); length++) {
        sha256(zeroes, length, now);
        EXPECT(memcmp(last, now, sizeof(now)) != 0);
        memcpy(last, now, sizeof(now));
    }
    EXPECT(
        digest_is(zeroes, 55, "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7"));
    EXPECT(
        digest_is(zeroes, 56, "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb"));
    EXPECT(
        digest_is(zeroes, 64, "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"));
}
