/* Tests of the headers that are too small for a file each: checked, bits, bytes, status, list. */
#include <base/bits.h>
#include <base/bytes.h>
#include <base/checked.h>
#include <base/list.h>
#include <base/status.h>
#include <base/string.h>
#include <base/test.h>

TEST(checked_arithmetic_refuses_what_does_not_fit)
{
    uint64_t value = 0;
    EXPECT(checked_add_u64(UINT64_MAX - 1, 1, &value) && value == UINT64_MAX);
    EXPECT(!checked_add_u64(UINT64_MAX, 1, &value));
    EXPECT(checked_sub_u64(5, 5, &value) && value == 0);
    EXPECT(!checked_sub_u64(4, 5, &value));
    EXPECT(checked_mul_u64(UINT64_MAX / 2, 2, &value) && value == UINT64_MAX - 1);
    EXPECT(!checked_mul_u64(BIT64(32), BIT64(32), &value));

    size_t size = 0;
    EXPECT(checked_add_size(1, 2, &size) && size == 3);
    EXPECT(!checked_add_size(SIZE_MAX, 1, &size));
    EXPECT(checked_sub_size(3, 2, &size) && size == 1);
    EXPECT(!checked_sub_size(2, 3, &size));
    EXPECT(checked_mul_size(3, 4, &size) && size == 12);
    EXPECT(!checked_mul_size(SIZE_MAX, 2, &size));
}

TEST(checked_alignment_refuses_to_wrap)
{
    uint64_t value = 0;
    EXPECT(checked_align_up_u64(0x1001, 0x1000, &value) && value == 0x2000);
    EXPECT(checked_align_up_u64(0x1000, 0x1000, &value) && value == 0x1000);
    EXPECT(checked_align_up_u64(UINT64_MAX - 0xfff, 0x1000, &value) && value == UINT64_MAX - 0xfff);
    EXPECT(!checked_align_up_u64(UINT64_MAX - 0xffe, 0x1000, &value));
}

TEST(checked_ranges_do_not_wrap)
{
    EXPECT(checked_range_within(0, 10, 10));
    EXPECT(checked_range_within(10, 0, 10));
    EXPECT(!checked_range_within(11, 0, 10));
    EXPECT(!checked_range_within(1, 10, 10));
    EXPECT(!checked_range_within(8, UINT64_MAX - 4, 10));
}

TEST(bits_of_a_word)
{
    for (unsigned i = 0; i < 64; i++) {
        EXPECT_EQ(bit_lowest(BIT64(i)), i);
        EXPECT_EQ(bit_highest(BIT64(i)), i);
        EXPECT_EQ(bit_lowest(UINT64_MAX << i), i);
        EXPECT_EQ(bit_highest(UINT64_MAX >> i), 63 - i);
        EXPECT_EQ(log2_ceil(BIT64(i)), i);
        EXPECT(is_power_of_two(BIT64(i)));
        EXPECT(!is_power_of_two(BIT64(i) | BIT64((i + 1) % 64)));
    }
    EXPECT(!is_power_of_two(0));
    EXPECT_EQ(log2_ceil(0), 0);
    EXPECT_EQ(log2_ceil(5), 3);
    EXPECT_EQ(log2_ceil(UINT64_MAX), 64);
    EXPECT_EQ(bit_count(0xf0f), 8);
    EXPECT_EQ(div_round_up(9, 4), 3);
    EXPECT_EQ(div_round_up(UINT64_MAX, 2), BIT64(63));
}

TEST(numbers_load_from_any_address)
{
    static const uint8_t bytes[9] = { 0xff, 0x01, 0x02, 0x03, 0x84, 0x05, 0x06, 0x07, 0x88 };
    EXPECT_EQ(load_le16(bytes + 1), 0x0201);
    EXPECT_EQ(load_le32(bytes + 1), 0x84030201);
    EXPECT_EQ(load_le64(bytes + 1), 0x8807060584030201);
    EXPECT_EQ(load_be16(bytes + 1), 0x0102);
    EXPECT_EQ(load_be32(bytes + 1), 0x01020384);
    EXPECT_EQ(load_be64(bytes + 1), 0x0102038405060788);
}

TEST(every_status_has_a_text_of_its_own)
{
#define ERROR(name, value, text) ERR_##name,
    static const int codes[] = {
#include <errors.def>
    };
#undef ERROR
    EXPECT_STR(status_text(OK), "ok");
    EXPECT_STR(status_text(ERR_NO_MEMORY), "out of memory");
    EXPECT_STR(status_text((enum status)9999), "unknown error");
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        EXPECT(codes[i] != 0);
        for (size_t j = 0; j < i; j++) {
            EXPECT(strcmp(status_text((enum status)codes[i]), status_text((enum status)codes[j])) !=
                   0);
        }
    }
}

struct item {
    int value;
    struct list node;
};

TEST(list_keeps_order_and_survives_removal)
{
    struct list list;
    struct item item[4];
    list_init(&list);
    EXPECT(list_empty(&list));
    EXPECT_EQ(list_pop_front(&list), NULL);
    for (int i = 0; i < 4; i++) {
        item[i].value = i;
        list_init(&item[i].node);
        EXPECT(!list_linked(&item[i].node));
        list_push_back(&list, &item[i].node);
    }
    LIST_FOR_EACH_SAFE(at, &list)
    {
        if (CONTAINER_OF(at, struct item, node)->value % 2 == 0)
            list_remove(at);
    }
    list_remove(&item[0].node);
    list_push_front(&list, &item[2].node);
    int seen = 0;
    LIST_FOR_EACH(at, &list)
    seen = seen * 10 + CONTAINER_OF(at, struct item, node)->value;
    EXPECT_EQ(seen, 213);
    EXPECT_EQ(list_pop_front(&list), &item[2].node);
    EXPECT(list_linked(&item[1].node) && !list_linked(&item[2].node));
}
