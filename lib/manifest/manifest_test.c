/* Manifests that are good: what they give to whom. Bad ones are in tests/golden/manifest. */
#include <base/string.h>
#include <base/test.h>
#include <manifest/manifest.h>

#define LIMITS                                                                                     \
    " program bin/x\n memory 1M\n capabilities 64\n threads 2\n priority 20\n restart always\n"

static struct manifest manifest;

static enum status read(const char *text)
{
    return manifest_read(&manifest, text, strlen(text));
}

TEST(a_service_says_what_it_needs)
{
    EXPECT_EQ(read("service one # comment\n program bin/one.2\n memory 3M\n capabilities 100\n"
                   "\tthreads 4 \n cpu 150\n priority 7\n restart failure"),
              OK);
    const struct manifest_service *one = &manifest.service[0];
    EXPECT_EQ(manifest.service_count, 1);
    EXPECT_STR(one->name, "one");
    EXPECT_STR(one->program, "bin/one.2");
    EXPECT_EQ(one->memory_bytes, 3 << 20);
    EXPECT_EQ(one->capability_max, 100);
    EXPECT_EQ(one->thread_max, 4);
    EXPECT_EQ(one->cpu_percent, 150);
    EXPECT_EQ(one->priority, 7);
    EXPECT_EQ(one->restart, MANIFEST_RESTART_FAILURE);
}

TEST(everybody_has_the_standard_three)
{
    EXPECT_EQ(read("service one\n" LIMITS "service two\n" LIMITS), OK);
    EXPECT_EQ(manifest_grant_count(&manifest, 1), MANIFEST_STANDARD_COUNT);
    struct manifest_grant grant;
    manifest_grant(&manifest, 1, MANIFEST_PROCESS, &grant);
    EXPECT_EQ(grant.type, OBJECT_PROCESS);
    EXPECT_EQ(grant.rights & RIGHT_PROCESS_DESTROY, 0);
    manifest_grant(&manifest, 1, MANIFEST_BUDGET, &grant);
    EXPECT_EQ(grant.type, OBJECT_BUDGET);
    EXPECT_EQ(grant.rights & (RIGHT_BUDGET_DESTROY | RIGHT_BUDGET_LIMIT), 0);
    manifest_grant(&manifest, 1, MANIFEST_SUPERVISOR, &grant);
    EXPECT_EQ(grant.rights, RIGHT_ENDPOINT_SEND);
    EXPECT_EQ(grant.badge, manifest_badge(1));
}

TEST(the_server_receives_and_the_client_sends)
{
    EXPECT_EQ(read("service client\n" LIMITS " take port from server as way\n"
                   "service server\n" LIMITS " serve port\n serve other\n"),
              OK);
    struct manifest_grant grant;
    EXPECT_EQ(manifest_grant_count(&manifest, 0), 4);
    manifest_grant(&manifest, 0, 3, &grant);
    EXPECT_STR(grant.name, "way");
    EXPECT_STR(grant.origin, "port");
    EXPECT_STR(grant.peer, "server");
    EXPECT_EQ(grant.rights, RIGHT_ENDPOINT_SEND);
    EXPECT_EQ(grant.badge, manifest_badge(0));
    EXPECT_EQ(grant.source, MANIFEST_FROM_SERVICE);

    struct manifest_grant served;
    EXPECT_EQ(manifest_grant_count(&manifest, 1), 5);
    manifest_grant(&manifest, 1, 3, &served);
    EXPECT(served.serves);
    EXPECT_EQ(served.from, grant.from);
    EXPECT_EQ(served.rights, RIGHT_ENDPOINT_RECEIVE);
    manifest_grant(&manifest, 1, 5, &served);
    EXPECT_EQ(served.type, OBJECT_ANY); /* there is no sixth */
}

TEST(servers_start_before_their_clients)
{
    EXPECT_EQ(read("service c\n" LIMITS " take b from b\n take a from a\n"
                   "service d\n" LIMITS "service b\n" LIMITS " serve b\n take a from a\n"
                   "service a\n" LIMITS " serve a\n"),
              OK);
    static const unsigned expected[] = { 1, 3, 2, 0 };
    for (unsigned i = 0; i < ARRAY_LEN(expected); i++)
        EXPECT_EQ(manifest.order[i], expected[i]);
}

TEST(rights_are_shared_out_one_by_one)
{
    EXPECT_EQ(read("service a\n" LIMITS " take system from kernel audit\n"
                   "service b\n" LIMITS " take system from kernel power inspect\n"
                   "service c\n" LIMITS " take system from kernel inspect\n"),
              OK);
    EXPECT_EQ(read("service a\n" LIMITS " take system from kernel audit\n"
                   "service b\n" LIMITS " take system from kernel audit\n"),
              ERR_FORMAT);
    EXPECT_EQ(manifest.error_line, 16);
}

TEST(a_line_shows_a_capability)
{
    char line[MANIFEST_GRANT_LINE_BYTES];
    struct manifest_grant grant;
    EXPECT_EQ(read("service one\n" LIMITS " take clock from init read map\n"), OK);
    manifest_grant(&manifest, 0, 3, &grant);
    manifest_grant_line(&grant, "one", line, sizeof(line));
    EXPECT_STR(line, "one clock MEMORY read,map 0");
    manifest_rights_text(OBJECT_PROCESS, RIGHT_PROCESS_GRANT_INTO, line, sizeof(line));
    EXPECT_STR(line, "grant-into");
    manifest_rights_text(OBJECT_MEMORY, RIGHT_MEMORY_READ | RIGHT_MEMORY_MAP, line, 6);
    EXPECT_STR(line, "read,");
    manifest_rights_text(OBJECT_MEMORY, 0, line, sizeof(line));
    EXPECT_STR(line, "-");
}

TEST(names_are_not_cut)
{
    EXPECT_EQ(read("service a234567890123456789012345678901\n" LIMITS), OK);
    EXPECT_EQ(read("service a2345678901234567890123456789012\n" LIMITS), ERR_FORMAT);
    EXPECT_EQ(manifest.error_line, 1);
}

TEST(a_text_may_end_anywhere)
{
    static const char whole[] =
        "service a\n" LIMITS " serve p\nservice b\n" LIMITS " take p from a as q send\n";
    for (size_t cut = 0; cut < sizeof(whole); cut++)
        EXPECT(manifest_read(&manifest, whole, cut) == OK || manifest.error[0] != '\0');
    EXPECT_EQ(manifest_read(&manifest, whole, sizeof(whole) - 1), OK);
}
