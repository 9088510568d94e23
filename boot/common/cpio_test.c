/* Archives, whole and damaged. */
#include <base/fmt.h>
#include <base/string.h>
#include <base/test.h>
#include <boot/cpio.h>

static char archive[4096];
static size_t length;

static void put(const void *bytes, size_t size_bytes)
{
    memcpy(archive + length, bytes, size_bytes);
    length += size_bytes;
    while (length % 4 != 0)
        archive[length++] = 0;
}

static void entry(const char *name, unsigned mode, const char *data)
{
    char header[256];
    size_t at = format_text(header, sizeof(header),
                            "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s", 1u,
                            mode, 0u, 0u, 1u, 0u, (unsigned)strlen(data), 0u, 0u, 0u, 0u,
                            (unsigned)strlen(name) + 1, 0u, name);
    put(header, at + 1);
    put(data, strlen(data));
}

static void build(void)
{
    length = 0;
    entry("boot", 040755, "");
    entry("boot/kernel", 0100644, "elf");
    entry("./limine.conf", 0100644, "timeout: 0\n");
    entry("boot/kernel", 0100644, "newer elf");
    entry("empty", 0100644, "");
    entry("TRAILER!!!", 0, "");
}

static bool has(const char *path, const char *data)
{
    struct cpio_file file;
    return cpio_find(archive, length, path, &file) == OK && file.size_bytes == strlen(data) &&
           memcmp(file.data, data, file.size_bytes) == 0;
}

TEST(files_are_found_without_regard_to_case)
{
    build();
    EXPECT(cpio_is_archive(archive, length));
    EXPECT(has("/limine.conf", "timeout: 0\n"));
    EXPECT(has("/LIMINE.conf", "timeout: 0\n"));
    EXPECT(has("/empty", ""));
    EXPECT(has("//boot//Kernel", "newer elf"));
}

TEST(what_is_not_a_file_is_not_found)
{
    struct cpio_file file;
    build();
    EXPECT_EQ(cpio_find(archive, length, "/boot", &file), ERR_NOT_FOUND);
    EXPECT_EQ(cpio_find(archive, length, "/kernel", &file), ERR_NOT_FOUND);
    EXPECT_EQ(cpio_find(archive, length, "/TRAILER!!!", &file), ERR_NOT_FOUND);
}

/* Every prefix lacks at least the trailer. */
TEST(an_archive_cut_anywhere_is_refused)
{
    struct cpio_file file;
    build();
    size_t whole = length;
    for (size_t cut = 0; cut + 4 < whole; cut++) {
        enum status status = cpio_find(archive, cut, "/limine.conf", &file);
        EXPECT(status == ERR_TRUNCATED || status == ERR_FORMAT);
    }
}

TEST(damaged_headers_are_refused)
{
    static const struct {
        size_t at;
        const char *bytes;
        enum status status;
    } cases[] = {
        { 0, "070702", ERR_FORMAT },    { 54, "FFFFFFFF", ERR_TRUNCATED },
        { 54, "0000000G", ERR_FORMAT }, { 94, "FFFFFFFF", ERR_TRUNCATED },
        { 94, "00000000", ERR_FORMAT }, { 94, "00000003", ERR_FORMAT },
        { 14, "    4755", ERR_FORMAT },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cpio_file file;
        build();
        memcpy(archive + cases[i].at, cases[i].bytes, strlen(cases[i].bytes));
        EXPECT_EQ(cpio_find(archive, length, "/limine.conf", &file), cases[i].status);
    }
}
