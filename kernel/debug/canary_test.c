/* The bird in the mine: a test that passes, unless `canary=` on the command line asks it to fail in
 * one of the ways that a test can. The suite asks for each, to prove that it would notice.
 */
#include <base/string.h>
#include <kernel/cmdline.h>
#include <kernel/frame.h>
#include <kernel/panic.h>
#include <kernel/test.h>

GUEST_TEST(canary)
{
    char way[16];
    if (cmdline_value("canary", way, sizeof(way)) != OK)
        return;
    if (strcmp(way, "leak") == 0) {
        struct frame *kept;
        EXPECT_EQ(frame_alloc(0, 0, &kept), OK);
    } else if (strcmp(way, "hang") == 0) {
        for (;;)
            (void)cmdline_has("canary");
    } else if (strcmp(way, "panic") == 0) {
        panic("canary=panic");
    } else {
        test_fail(__FILE__, __LINE__, "canary=fail");
    }
}
