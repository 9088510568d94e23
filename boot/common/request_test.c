/* Finding requests. */
#include <base/compiler.h>
#include <base/test.h>
#include <boot/request.h>
#include <string.h>

static uint64_t words[256];
static struct request_set set;
static const char *problem;

static const uint64_t start_marker[4] = LIMINE_REQUESTS_START_MARKER;
static const uint64_t end_marker[2] = LIMINE_REQUESTS_END_MARKER;
static const uint64_t revision_tag[3] = LIMINE_BASE_REVISION(2);
static const uint64_t hhdm_id[4] = LIMINE_HHDM_REQUEST;
static const uint64_t smp_id[4] = LIMINE_SMP_REQUEST;
static const uint64_t module_id[4] = LIMINE_MODULE_REQUEST;

#define PUT(at, what) memcpy(words + (at), (what), sizeof(what))

static void clear(void)
{
    memset(words, 0, sizeof(words));
}

static enum status scan(void)
{
    return request_scan(words, sizeof(words), &set, &problem);
}

TEST(requests_between_the_markers_are_found)
{
    clear();
    PUT(10, start_marker);
    PUT(20, revision_tag);
    PUT(30, hhdm_id);
    PUT(40, smp_id);
    PUT(60, end_marker);
    EXPECT_EQ(scan(), OK);
    EXPECT_EQ(set.base_revision, words + 22);
    EXPECT_EQ(set.hhdm, words + 30);
    EXPECT_EQ(set.smp, words + 40);
    EXPECT(set.memmap == NULL);
}

TEST(requests_outside_the_markers_do_not_count)
{
    clear();
    PUT(0, hhdm_id);
    PUT(8, revision_tag);
    PUT(20, start_marker);
    PUT(40, end_marker);
    PUT(50, smp_id);
    EXPECT_EQ(scan(), OK);
    EXPECT(set.hhdm == NULL && set.smp == NULL && set.base_revision == NULL);
}

TEST(the_last_start_and_the_first_end_marker_count)
{
    clear();
    PUT(0, start_marker);
    PUT(10, hhdm_id);
    PUT(20, start_marker);
    PUT(30, smp_id);
    PUT(40, end_marker);
    PUT(50, module_id);
    PUT(70, end_marker);
    EXPECT_EQ(scan(), OK);
    EXPECT(set.hhdm == NULL && set.smp != NULL && set.module == NULL);
}

TEST(without_markers_everything_counts)
{
    clear();
    PUT(1, hhdm_id);
    PUT(200, revision_tag);
    EXPECT_EQ(scan(), OK);
    EXPECT(set.hhdm != NULL && set.base_revision != NULL);
}

TEST(unknown_requests_are_passed_over)
{
    static const uint64_t unknown[4] = LIMINE_ID(1, 2);
    clear();
    PUT(5, unknown);
    PUT(30, hhdm_id);
    EXPECT_EQ(scan(), OK);
    EXPECT(set.hhdm != NULL);
}

TEST(what_is_said_twice_is_refused)
{
    clear();
    PUT(5, hhdm_id);
    PUT(30, hhdm_id);
    EXPECT_EQ(scan(), ERR_FORMAT);
    clear();
    PUT(5, revision_tag);
    PUT(30, revision_tag);
    EXPECT_EQ(scan(), ERR_FORMAT);
    EXPECT(problem != NULL);
}

TEST(markers_in_the_wrong_order_are_refused)
{
    clear();
    PUT(5, end_marker);
    PUT(30, start_marker);
    EXPECT_EQ(scan(), ERR_FORMAT);
}

TEST(a_request_that_is_cut_off_is_refused)
{
    clear();
    PUT(256 - 6, smp_id); /* its flags would lie behind the end */
    EXPECT_EQ(scan(), ERR_FORMAT);
    clear();
    PUT(256 - 4, smp_id); /* not even the header is there */
    EXPECT_EQ(scan(), OK);
    EXPECT(set.smp == NULL);
}

TEST(a_first_revision_may_be_shorter)
{
    clear();
    PUT(256 - 6, module_id);
    EXPECT_EQ(scan(), OK);
    EXPECT(set.module != NULL);
    words[256 - 2] = 1;
    EXPECT_EQ(scan(), ERR_FORMAT);
}
