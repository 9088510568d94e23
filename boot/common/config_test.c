/* limine.conf: what counts, what is passed over, what is refused. */
#include <base/string.h>
#include <base/test.h>
#include <boot/config.h>
#include <boot/platform.h>

#define DIGEST "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ENTRY  "/ThemeliOS\n  protocol: limine\n  kernel_path: boot():/k\n"

static char work[CONFIG_WORK_BYTES(4096)];
static struct config config;
static struct config_problem problem;

static enum status parse(const char *text)
{
    return config_parse(text, strlen(text), "x86-64", work, &config, &problem);
}

TEST(an_entry_gives_kernel_command_line_and_modules)
{
    EXPECT_EQ(parse("# comment\ntimeout: 0\nserial: yes\n\n/ThemeliOS\r\n"
                    "\tcomment: the system\n"
                    "    PROTOCOL: Limine\n"
                    "    kernel_path:   boot():/boot/themelios  \n"
                    "    cmdline: log=debug test=a:b\n"
                    "    module_path: boot():/boot/system.erofs\n"
                    "    module_sha256: " DIGEST "\n"
                    "    module_path: boot():/two\n"
                    "    module_string: a b c"),
              OK);
    EXPECT_STR(config.kernel_path, "boot():/boot/themelios");
    EXPECT_STR(config.cmdline, "log=debug test=a:b");
    EXPECT_EQ(config.module_count, 2);
    EXPECT_STR(config.module[0].path, "boot():/boot/system.erofs");
    EXPECT_STR(config.module[0].cmdline, "");
    EXPECT(config.module[0].digest_present);
    EXPECT_EQ(config.module[0].digest[0], 0xba);
    EXPECT_EQ(config.module[0].digest[31], 0xad);
    EXPECT_STR(config.module[1].cmdline, "a b c");
    EXPECT(!config.module[1].digest_present);
}

TEST(the_first_of_single_options_counts_under_either_name)
{
    EXPECT_EQ(parse(ENTRY "path: boot():/other\nkernel_cmdline: one\ncmdline: two\n"), OK);
    EXPECT_STR(config.kernel_path, "boot():/k");
    EXPECT_STR(config.cmdline, "one");
    EXPECT_EQ(parse("/x\npath: boot():/p\nprotocol: limine\n"), OK);
    EXPECT_STR(config.kernel_path, "boot():/p");
    EXPECT_STR(config.cmdline, "");
}

TEST(unknown_options_are_passed_over)
{
    EXPECT_EQ(parse("wallpaper: boot():/x\n" ENTRY "resolution: 800x600\nkaslr: no\n"), OK);
    EXPECT_EQ(config.module_count, 0);
}

TEST(default_entry_selects_among_those_a_menu_would_show)
{
    static const char text[] = "/One\nprotocol: linux\n"
                               "/+Open\n//Two\nprotocol: limine\nkernel_path: boot():/two\n"
                               "/Closed\n//Hidden\nprotocol: limine\nkernel_path: boot():/hidden\n"
                               "/Last\nprotocol: limine\nkernel_path: boot():/last\n";
    static const struct {
        const char *number;
        const char *path;
    } cases[] = { { "3", "boot():/two" }, { "5", "boot():/last" }, { "1", NULL },
                  { "2", NULL },          { "4", NULL },           { "6", NULL } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char whole[512] = "default_entry: ";
        strlcpy(whole + strlen(whole), cases[i].number, 8);
        strlcpy(whole + strlen(whole), "\n", 8);
        strlcpy(whole + strlen(whole), text, 400);
        EXPECT_EQ(parse(whole), cases[i].path != NULL ? OK : ERR_FORMAT);
        if (cases[i].path != NULL)
            EXPECT_STR(config.kernel_path, cases[i].path);
    }
}

TEST(macros_are_replaced)
{
    EXPECT_EQ(parse("${KERNEL}=boot/themelios\n${UNUSED}=x\n"
                    "/x ${ARCH}\nprotocol: limine\n"
                    "kernel_path: boot():/${KERNEL}-${ARCH}\ncmdline: [${NONE}]\n"),
              OK);
    EXPECT_STR(config.kernel_path, "boot():/boot/themelios-x86-64");
    EXPECT_STR(config.cmdline, "[]");
    EXPECT_EQ(parse("/x\ncmdline: ${NO_END\n"), ERR_FORMAT);
}

TEST(macros_cannot_outgrow_their_room)
{
    char text[600] = "${M}=";
    memset(text + 5, 'm', 300);
    size_t at = 305;
    text[at++] = '\n';
    for (int i = 0; i < 50; i++, at += 4)
        memcpy(text + at, "${M}", 4);
    EXPECT_EQ(config_parse(text, at, "x86-64", work, &config, &problem), ERR_FORMAT);
    EXPECT_STR(problem.text, "its macros are malformed");
}

TEST(what_cannot_be_understood_is_refused_with_its_line)
{
    static const struct {
        const char *text;
        unsigned line;
    } cases[] = {
        { "", 0 },
        { "timeout: 0\n", 0 },
        { "/x\nkernel_path: boot():/k\n", 0 },
        { "/x\nprotocol: multiboot2\nkernel_path: boot():/k\n", 0 },
        { "/x\nprotocol: limine\n", 0 },
        { "\n\nnonsense\n" ENTRY, 3 },
        { ENTRY "module_cmdline: x\n", 4 },
        { ENTRY "module_sha256: " DIGEST "\n", 4 },
        { ENTRY "module_path: boot():/m\nmodule_sha256: 12\n", 5 },
        { ENTRY "module_path: boot():/m\nmodule_sha256: " DIGEST "0\n", 5 },
        { ENTRY "dtb_path: boot():/d\n", 4 },
        { ENTRY "paging_mode: 5level\n", 0 },
        { "a: b\nc\x01: d\n", 2 },
        { ENTRY "a: b\x7f\n", 4 },
        { "default_entry: 0\n" ENTRY, 1 },
        { "\ndefault_entry: one\n" ENTRY, 2 },
        { "default_entry: 99999999999999999999\n" ENTRY, 1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        EXPECT_EQ(parse(cases[i].text), ERR_FORMAT);
        EXPECT_EQ(problem.line, cases[i].line);
        EXPECT(problem.text != NULL);
    }
}

TEST(a_file_that_is_too_large_is_refused)
{
    static char text[CONFIG_FILE_MAX + 1];
    memset(text, '\n', sizeof(text));
    EXPECT_EQ(config_parse(text, sizeof(text), "x86-64", work, &config, &problem), ERR_FORMAT);
    EXPECT_STR(problem.text, "it is too large");
}

TEST(too_many_macros_are_refused)
{
    char text[600] = "";
    for (int i = 0; i < 17; i++)
        strlcpy(text + strlen(text), "${M}=x\n", 16);
    strlcpy(text + strlen(text), ENTRY, 100);
    EXPECT_EQ(parse(text), ERR_FORMAT);
    EXPECT_STR(problem.text, "its macros are malformed");
}

TEST(too_many_modules_are_refused)
{
    char text[1024] = ENTRY;
    for (int i = 0; i <= CONFIG_MODULE_MAX; i++)
        strlcpy(text + strlen(text), "module_path: boot():/m\n", 64);
    EXPECT_EQ(parse(text), ERR_FORMAT);
}

TEST(paths_are_split_into_volume_path_and_digest)
{
    const char *path, *hash;
    char good[] = "boot():/a/b#12ab", plain[] = "BOOT():/x";
    EXPECT_EQ(config_split_path(good, &path, &hash), OK);
    EXPECT_STR(path, "/a/b");
    EXPECT_STR(hash, "12ab");
    EXPECT_EQ(config_split_path(plain, &path, &hash), OK);
    EXPECT_STR(path, "/x");
    EXPECT(hash == NULL);

    static const struct {
        const char *uri;
        enum status status;
    } bad[] = {
        { "", ERR_FORMAT },
        { "/a", ERR_FORMAT },
        { "boot()/a", ERR_FORMAT },
        { "boot():a", ERR_FORMAT },
        { "boot():/", ERR_FORMAT },
        { "boot(:/a", ERR_FORMAT },
        { "boot(2):/a", ERR_UNSUPPORTED },
        { "hdd(1:1):/a", ERR_UNSUPPORTED },
        { "reboot():/a", ERR_UNSUPPORTED },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char uri[32];
        strlcpy(uri, bad[i].uri, sizeof(uri));
        EXPECT_EQ(config_split_path(uri, &path, &hash), bad[i].status);
    }
}

TEST(paths_compare_without_case_and_double_slashes)
{
    EXPECT(boot_path_equal("/boot/Kernel", "/BOOT//kernel"));
    EXPECT(!boot_path_equal("/boot/kernel", "/boot/kernels"));
    EXPECT(!boot_path_equal("/boot/kernel/", "/boot/kernel"));
    EXPECT(boot_path_equal("", ""));
}
