/* What a sandbox holds is what was computed before it was started. The computed list is printed, so
 * that whoever reads the log can hold it against what the documents say.
 */
#include <rt/log.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

enum { TEXT_BYTES = 64 * 1024 };

/* Lines without their names. False: there is no such text. */
static bool authority(const struct box *box, bool held, char *to)
{
    const struct containers_authority_in in = { .container = box->number, .held = held };
    struct containers_authority_out out = { 0 };
    void *at = NULL;
    to[0] = '\0';
    if (!EXPECT_EQ(containers_call_authority(containers, client_soon(), &in, &out), OK))
        return false;
    uint64_t span = ALIGN_UP(out.size, (uint64_t)SPACE_PAGE);
    bool good = EXPECT_EQ(out.size > 0 && out.size < TEXT_BYTES, true) &&
                EXPECT_EQ(space_map(out.text, 0, span, ACCESS_READ, &at), OK);
    if (good) {
        memcpy(to, at, out.size);
        to[out.size] = '\0';
        (void)space_unmap(at, span);
    }
    (void)handle_close(out.text);
    return good;
}

static char *next_line(char **at)
{
    char *line = *at;
    char *end = strchr(line, '\n');
    if (end == NULL)
        return NULL;
    *end = '\0';
    *at = end + 1;
    return line;
}

static const char *without_name(const char *line)
{
    const char *blank = strchr(line, ' ');
    return blank != NULL ? blank + 1 : line;
}

/* What it made itself it made out of its own budget and process: no way to anybody else. */
static bool is_own(const char *line)
{
    static const char *const types[] = { "MEMORY ", "THREAD ", "GUEST ", "NOTIFICATION ",
                                         "BUDGET " };
    if (strncmp(line, "own ", 4) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strncmp(line + 4, types[i], strlen(types[i])) == 0)
            return true;
    }
    return false;
}

/* Each that was given is the next of the list, and all of the list are there. */
static void compare(char *computed, char *held)
{
    char *line;
    while ((line = next_line(&held)) != NULL) {
        if (strncmp(line, "given ", 6) != 0) {
            if (!is_own(line))
                test_note("%s", line);
            EXPECT(is_own(line));
            continue;
        }
        char *expected = next_line(&computed);
        EXPECT_STR(line + 6, expected != NULL ? without_name(expected) : NULL);
    }
    EXPECT_STR(next_line(&computed), NULL);
}

static void print(const char *how, const char *computed)
{
    static char copy[TEXT_BYTES];
    char *at = copy, *line;
    (void)snprintf(copy, sizeof(copy), "%s", computed);
    while ((line = next_line(&at)) != NULL)
        rt_log("authority of %s: %s", how, line);
}

static void check(const char *members, const char *how)
{
    static char before[TEXT_BYTES], computed[TEXT_BYTES], held[TEXT_BYTES];
    struct box box;
    const struct containers_authority_in in = { .held = true };
    struct containers_authority_out out;
    REQUIRE(box_make(&box, members));
    REQUIRE(authority(&box, false, before));
    print(how, before);
    struct containers_authority_in none = in;
    none.container = box.number;
    EXPECT_EQ(containers_call_authority(containers, client_soon(), &none, &out), ERR_STATE);
    REQUIRE(box_start(&box));
    EXPECT(box_says(&box, FIRST, "ready"));
    REQUIRE(authority(&box, false, computed) && authority(&box, true, held));
    EXPECT_STR(computed, before);
    compare(computed, held);
    EXPECT_EQ(box_kill(&box, SIGNAL_KILL), OK);
    EXPECT_EQ(containers_call_authority(containers, client_soon(), &none, &out), ERR_STATE);
    box_remove(&box);
    EXPECT_EQ(containers_call_authority(containers, client_soon(), &none, &out), ERR_NOT_FOUND);
}

#define BUSY SHELL("sleep 1000 & echo x >/tmp/file; cat /tmp/file; echo ready; cat")

TEST(a_sandbox_holds_what_was_computed)
{
    check(BUSY ", \"OpenStdin\": true, \"HostConfig\": {\"Isolation\": \"split\"}", "split");
    check(BUSY ", \"OpenStdin\": true, \"HostConfig\": {\"Isolation\": \"fused\"}", "fused");
    check(BUSY ", \"Tty\": true", "terminal");
}
