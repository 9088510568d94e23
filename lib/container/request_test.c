/* What may be asked for, how it is joined with what the image says, and what is refused. */
#include <base/string.h>
#include <base/test.h>
#include <container/request.h>
#include <stdlib.h>

static struct container_request request;
static char error[REQUEST_ERROR_BYTES];

static enum status parse(const char *json)
{
    return container_request_parse(json, strlen(json), &request, error);
}

TEST(everything_can_be_asked_for)
{
    EXPECT_EQ(parse("{\"Name\":\"web-1\",\"Image\":\"nginx:latest\",\"Entrypoint\":[\"/e\",\"x\"],"
                    "\"Cmd\":[\"a\",\"\"],\"Env\":[\"A=b\"],\"WorkingDir\":\"/w\",\"User\":\"u:g\","
                    "\"Hostname\":\"h\",\"Tty\":true,\"OpenStdin\":true,\"StopSignal\":\"SIGINT\","
                    "\"HostConfig\":{\"Memory\":67108864,\"CpuPeriod\":50000,\"CpuQuota\":25000,"
                    "\"CpuShares\":200,\"PidsLimit\":7,\"ReadonlyRootfs\":true,"
                    "\"Isolation\":\"fused\"}}"),
              OK);
    EXPECT_STR(request.name, "web-1");
    EXPECT_STR(request.image, "nginx:latest");
    EXPECT_EQ(request.entrypoint.count, 2);
    EXPECT_STR(request.entrypoint.text[1], "x");
    EXPECT_EQ(request.command.count, 2);
    EXPECT_STR(request.command.text[1], "");
    EXPECT_STR(request.environment.text[0], "A=b");
    EXPECT_STR(request.working, "/w");
    EXPECT_STR(request.user, "u:g");
    EXPECT_STR(request.hostname, "h");
    EXPECT(request.terminal && request.input && request.read_only_root);
    EXPECT_EQ(request.stop_signal, 2);
    EXPECT_EQ(request.memory_bytes, 67108864);
    EXPECT_EQ(request.cpu_period_ns, 50000000);
    EXPECT_EQ(request.cpu_quota_ns, 25000000);
    EXPECT_EQ(request.cpu_shares, 200);
    EXPECT_EQ(request.process_max, 7);
    EXPECT_EQ(request.isolation, CONTAINER_FUSED);
    container_request_free(&request);
}

TEST(little_is_enough)
{
    EXPECT_EQ(parse("{\"Image\":\"a\"}"), OK);
    EXPECT_EQ(request.memory_bytes, REQUEST_MEMORY_DEFAULT);
    EXPECT_EQ(request.isolation, CONTAINER_SPLIT);
    EXPECT_EQ(request.cpu_quota_ns, 0);
    EXPECT(!request.entrypoint_given && !request.command_given);
    container_request_free(&request);
}

TEST(what_cannot_be_is_refused_with_its_reason)
{
    static const struct {
        const char *json, *error;
    } bad[] = {
        { "", "the request: is not JSON" },
        { "[]", "the request: is not an object" },
        { "{\"Image\":1}", "Image: is not a text" },
        { "{\"Image\":\"a\",\"image\":\"a\"}", "image: is not known" },
        { "{\"Image\":\"a\",\"Image\":\"a\"}", "Image: is there twice" },
        { "{\"Image\":\"a\",\"Cmd\":\"x\"}", "Cmd: is not a list of texts" },
        { "{\"Image\":\"a\",\"Cmd\":[1]}", "Cmd: is not a list of texts" },
        { "{\"Image\":\"a\",\"Tty\":1}", "Tty: is neither true nor false" },
        { "{\"Image\":\"a\",\"StopSignal\":\"SIGX\"}", "StopSignal: is no signal" },
        { "{\"Image\":\"a\",\"StopSignal\":\"65\"}", "StopSignal: is no signal" },
        { "{\"Image\":\"a\",\"Name\":\"/x\"}",
          "Name: has other characters than letters, digits, _ . -" },
        { "{\"Image\":\"a\",\"HostConfig\":[]}", "HostConfig: is not an object" },
        { "{\"Image\":\"a\",\"HostConfig\":{\"Memory\":1}}", "Memory: is below 8 MiB" },
        { "{\"Image\":\"a\",\"HostConfig\":{\"Memory\":-1}}",
          "Memory: is not a whole number that is at least 0" },
        { "{\"Image\":\"a\",\"HostConfig\":{\"Memory\":8388608.5}}",
          "Memory: is not a whole number that is at least 0" },
        { "{\"Image\":\"a\",\"HostConfig\":{\"Memory\":1e300}}",
          "Memory: is not a whole number that is at least 0" },
        { "{\"Image\":\"a\",\"HostConfig\":{\"Memory\":2199023255552}}", "Memory: is too large" },
        { "{\"Image\":\"a\",\"HostConfig\":{\"CpuPeriod\":1}}",
          "CpuPeriod: is below 1000 microseconds" },
        { "{\"Image\":\"a\",\"HostConfig\":{\"Isolation\":\"none\"}}",
          "Isolation: is neither split nor fused" },
        { "{\"Image\":\"a\",\"HostConfig\":{\"Privileged\":true}}", "Privileged: is not known" },
        { "{\"Image\":\"a\",\"HostConfig\":{\"ReadonlyRootfs\":1}}",
          "ReadonlyRootfs: is neither true nor false" },
        { "{\"Image\":[[[[[[[[[]]]]]]]]]}", "the request: is too large" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        EXPECT(parse(bad[i].json) != OK);
        EXPECT_STR(error, bad[i].error);
    }
}

TEST(signals_have_names_and_numbers)
{
    EXPECT_EQ(container_signal_number("SIGTERM"), 15);
    EXPECT_EQ(container_signal_number("KILL"), 9);
    EXPECT_EQ(container_signal_number("37"), 37);
    EXPECT_EQ(container_signal_number(""), 0);
    EXPECT_EQ(container_signal_number("SIG"), 0);
    EXPECT_EQ(container_signal_number("99999999999"), 0);
}

/* ---- Joined with the image ---- */

static char entry[] = "/entry", option[] = "-e", serve[] = "serve", a[] = "A=image",
            b[] = "B=image";
static char *image_entry[] = { entry, option };
static char *image_command[] = { serve };
static char *image_environment[] = { a, b };
static const struct image_wishes image = {
    .entrypoint = { image_entry, 2 },
    .command = { image_command, 1 },
    .environment = { image_environment, 2 },
    .working = "/srv",
    .user = "www",
};

/* "a|b|c" of a list of the block. */
static const char *joined(const struct container_block *block, uint32_t at, uint32_t count)
{
    static char text[512];
    size_t used = 0;
    const char *from = (const char *)block + at;
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            text[used++] = '|';
        used += strlcpy(text + used, from, sizeof(text) - used);
        from += strlen(from) + 1;
    }
    text[used] = '\0';
    return text;
}

static struct container_block *make(const char *json)
{
    struct container_block *block = NULL;
    EXPECT_EQ(parse(json), OK);
    EXPECT_EQ(container_block_make(&request, &image, &block, error), OK);
    container_request_free(&request);
    return block;
}

static const char *arguments(const char *json)
{
    static char text[512];
    struct container_block *block = make(json);
    strlcpy(text, joined(block, block->arguments_at, block->argument_count), sizeof(text));
    free(block);
    return text;
}

TEST(arguments_are_those_of_the_image_unless_others_are_given)
{
    EXPECT_STR(arguments("{\"Image\":\"a\"}"), "/entry|-e|serve");
    EXPECT_STR(arguments("{\"Image\":\"a\",\"Cmd\":[\"x\",\"y\"]}"), "/entry|-e|x|y");
    EXPECT_STR(arguments("{\"Image\":\"a\",\"Entrypoint\":[\"/sh\"]}"), "/sh");
    EXPECT_STR(arguments("{\"Image\":\"a\",\"Entrypoint\":[\"/sh\"],\"Cmd\":[\"c\"]}"), "/sh|c");
    EXPECT_STR(arguments("{\"Image\":\"a\",\"Entrypoint\":[]}"), "serve");
}

TEST(environment_is_merged_by_name)
{
    struct container_block *block =
        make("{\"Image\":\"a\",\"Name\":\"n\",\"Env\":[\"B=mine\",\"C=1\"],\"Tty\":true}");
    EXPECT_STR(joined(block, block->environment_at, block->environment_count),
               "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|TERM=xterm|"
               "A=image|B=mine|C=1");
    EXPECT_STR((const char *)block + block->working_at, "/srv");
    EXPECT_STR((const char *)block + block->user_at, "www");
    EXPECT_STR((const char *)block + block->hostname_at, "n");
    EXPECT_EQ(block->terminal, 1);
    EXPECT_EQ(block->size_bytes, block->hostname_at + 2);
    free(block);
}

TEST(a_second_program_begins_with_what_the_container_has)
{
    struct container_block *second;
    struct image_wishes wishes;
    struct container_block *first = make("{\"Image\":\"a\",\"Env\":[\"C=1\"],\"User\":\"u\"}");
    EXPECT_EQ(container_wishes(first, &wishes), OK);
    EXPECT_EQ(parse("{\"Cmd\":[\"id\"],\"Env\":[\"C=2\"]}"), OK);
    EXPECT_EQ(container_block_make(&request, &wishes, &second, error), OK);
    container_request_free(&request);
    EXPECT_STR(joined(second, second->arguments_at, second->argument_count), "id");
    EXPECT_STR(joined(second, second->environment_at, second->environment_count),
               "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|A=image|B=image|"
               "C=2");
    EXPECT_STR((const char *)second + second->working_at, "/srv");
    EXPECT_STR((const char *)second + second->user_at, "u");
    /* Without a command there is nothing to run. */
    EXPECT_EQ(parse("{}"), OK);
    struct container_block *none;
    EXPECT_EQ(container_block_make(&request, &wishes, &none, error), ERR_INVALID);
    container_request_free(&request);
    free(wishes.environment.text);
    free(second);
    free(first);
}

TEST(nothing_to_run_and_too_much_are_refused)
{
    static const struct image_wishes empty;
    struct container_block *block;
    EXPECT_EQ(parse("{\"Image\":\"a\"}"), OK);
    EXPECT_EQ(container_block_make(&request, &empty, &block, error), ERR_INVALID);
    EXPECT_STR(error, "neither the image nor the request says what to run");
    container_request_free(&request);

    static char *large[1024];
    static char text[2048];
    memset(text, 'x', sizeof(text) - 1);
    for (size_t i = 0; i < 1024; i++)
        large[i] = text;
    const struct image_wishes huge = { .command = { large, 1024 } };
    EXPECT_EQ(parse("{\"Image\":\"a\"}"), OK);
    EXPECT_EQ(container_block_make(&request, &huge, &block, error), ERR_LIMIT);
    EXPECT_STR(error, "arguments and environment are too large");
    container_request_free(&request);
}
