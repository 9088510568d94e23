/* SHA-512 against the vectors of FIPS 180-4, and both digests in pieces of every size. */
#include <base/fmt.h>
#include <base/string.h>
#include <base/test.h>
#include <digest/sha256.h>
#include <digest/sha512.h>

static void hex_of(const uint8_t *digest, size_t size_bytes, char *hex)
{
    for (size_t i = 0; i < size_bytes; i++)
        (void)format_text(hex + 2 * i, 3, "%02x", digest[i]);
}

static void pattern_fill(uint8_t data[1000])
{
    for (unsigned i = 0; i < 1000; i++)
        data[i] = (uint8_t)(i * 7);
}

TEST(sha512_of_known_texts)
{
    struct sha512 hash;
    uint8_t digest[SHA512_BYTES];
    char hex[2 * SHA512_BYTES + 1];
    sha512_begin(&hash);
    sha512_add(&hash, "abc", 3);
    sha512_end(&hash, digest);
    hex_of(digest, sizeof(digest), hex);
    EXPECT_EQ(strcmp(hex, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"),
              0);
}

TEST(pieces_of_any_size_give_the_same_sha512)
{
    uint8_t data[1000];
    pattern_fill(data);
    for (size_t step = 1; step <= 300; step++) {
        struct sha512 hash;
        uint8_t digest[SHA512_BYTES];
        char hex[2 * SHA512_BYTES + 1];
        sha512_begin(&hash);
        for (size_t at = 0; at < sizeof(data); at += step)
            sha512_add(&hash, data + at, sizeof(data) - at < step ? sizeof(data) - at : step);
        sha512_end(&hash, digest);
        hex_of(digest, sizeof(digest), hex);
        EXPECT_EQ(strcmp(hex, "5c3d2be85b82f8ace3dbd4cf34e814cf68201a9f3e5730253ee42fd46fbe6db2"
                              "e68ab158e76a103df431f3ad279d8fa3ff6b148e21ced56feb321a6d28d101f1"),
                  0);
    }
}

TEST(pieces_of_any_size_give_the_same_sha256)
{
    uint8_t data[1000];
    pattern_fill(data);
    for (size_t step = 1; step <= 200; step++) {
        struct sha256 hash;
        uint8_t digest[SHA256_BYTES];
        char hex[2 * SHA256_BYTES + 1];
        sha256_begin(&hash);
        for (size_t at = 0; at < sizeof(data); at += step)
            sha256_add(&hash, data + at, sizeof(data) - at < step ? sizeof(data) - at : step);
        sha256_end(&hash, digest);
        hex_of(digest, sizeof(digest), hex);
        EXPECT_EQ(strcmp(hex, "89f4ff56a25dd1db06a4ce6033603775d705fb96f30f8693733fef602a1ca532"),
                  0);
    }
}
