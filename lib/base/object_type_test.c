#include <base/object_type.h>
#include <base/test.h>

TEST(names_types)
{
    EXPECT_STR(object_type_name(OBJECT_MEMORY), "MEMORY");
    EXPECT_STR(object_type_name(OBJECT_SYSTEM), "SYSTEM");
    EXPECT_STR(object_type_name(OBJECT_ANY), "no object");
    EXPECT_STR(object_type_name(OBJECT_TYPE_COUNT), "no object");
}

TEST(knows_its_own_and_common_rights)
{
    uint32_t common = RIGHT_ANY_GRANT | RIGHT_ANY_REVOKE | RIGHT_ANY_INSPECT;
    EXPECT_EQ(object_type_rights(OBJECT_REPLY), common);
    EXPECT_EQ(object_type_rights(OBJECT_ENDPOINT),
              common | RIGHT_ENDPOINT_SEND | RIGHT_ENDPOINT_RECEIVE);
    EXPECT_EQ(object_type_rights(OBJECT_ANY), 0);
    EXPECT_EQ(object_type_rights(OBJECT_TYPE_COUNT), 0);
}

TEST(names_each_right_that_a_type_has)
{
    for (enum object_type type = OBJECT_MEMORY; type < OBJECT_TYPE_COUNT; type++) {
        uint32_t rights = object_type_rights(type);
        EXPECT_EQ(rights & ~(uint32_t)RIGHTS_ALL, 0);
        for (unsigned bit = 0; bit < 32; bit++)
            EXPECT_EQ(object_right_name(type, bit) != NULL, (rights >> bit) & 1);
    }
    EXPECT_STR(object_right_name(OBJECT_IRQ, 1), "ACKNOWLEDGE");
    EXPECT_STR(object_right_name(OBJECT_IRQ, 8), "GRANT");
    EXPECT(object_right_name(OBJECT_ANY, 8) == NULL);
}
