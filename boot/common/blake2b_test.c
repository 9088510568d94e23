/* The example of RFC 7693, and digests around the ends of blocks that another implementation gave.
 */
#include <base/string.h>
#include <base/test.h>
#include <boot/blake2b.h>

static bool digest_is(const void *data, size_t size_bytes, const char *hex)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[BLAKE2B_BYTES];
    blake2b(data, size_bytes, digest);
    for (size_t i = 0; i < BLAKE2B_BYTES; i++) {
        if (hex[2 * i] != digits[digest[i] >> 4] || hex[2 * i + 1] != digits[digest[i] & 15])
            return false;
    }
    return true;
}

TEST(the_digest_is_that_of_the_standard)
{
    EXPECT(digest_is("abc", 3,
                     "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                     "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"));
}

TEST(every_kind_of_last_block_is_digested)
{
    static const struct {
        size_t size_bytes;
        const char *hex;
    } cases[] = {
        { 0, "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"
             "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce" },
        { 1, "4fe4da61bcc756071b226843361d74944c72245d23e8245ea678c13fdcd7fe2a"
             "e529cf999ad99cc24f7a73416a18ba53e76c0afef83b16a568b12fbfc1a2674d" },
        { 64, "3db7bb5c40745f0c975ac6bb8578f590e2cd2cc1fc6d13533ef725325c9fddff"
              "5cca24e7a591a0f6032a24fad0e09f6df873c4ff314628391f78df7f09cb7ed7" },
        { 127, "71546bbf9110ad184cc60f2eb120fcfd9b4dbbca7a7f1270045b8a23a6a4f433"
               "0f65c1f030dd2f5fabc6c57617242c37cf427bd90407fac5b9deffd3ae888c39" },
        { 128, "2d9e329f42afa3601d646692b81c13e87fcaff5bf15972e9813d7373cb6d181f"
               "9599f4d513d4af4fd6ebd37497aceb29aba5ee23ed764d8510b552bd088814fb" },
        { 129, "47889df9eb4d717afc5019df5c6a83df00a0b8677395e078cd5778ace0f338a6"
               "18e68b7d9afb065d9e6a01ccd31d109447e7fae771c3ee3e105709194122ba2b" },
        { 256, "91019c558584980249ca43eceed27e19f1c3c24161b93eed1eee2a6a774f60bf"
               "8a81b43750870bee1698feac9c5336ae4d5c842e7ead159bf3916387e8ded9ae" },
        { 1000, "4bdd2c9cf31d797a81d245c989ffb7515143ca345c66f73087dd5c58bf642bf0"
                "83ba16894eab79e3b08d5126404d833e7510271b50be36a7b7cbbb46f5c89fac" },
    };
    static uint8_t data[1000];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + 3);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        EXPECT(digest_is(data, cases[i].size_bytes, cases[i].hex));
}
