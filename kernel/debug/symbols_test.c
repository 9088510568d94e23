#include <base/string.h>
#include <base/test.h>
#include <kernel/panic.h>
#include <kernel/symbols.h>

#include "symbols_impl.h"

TEST(search_finds_the_function_around_an_address)
{
    static const uint32_t start[] = { 0, 16, 17, 100 };
    static const struct {
        uint32_t distance;
        uint32_t index;
    } cases[] = { { 0, 0 }, { 15, 0 }, { 16, 1 }, { 17, 2 }, { 99, 2 }, { 100, 3 }, { 5000, 3 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t index = UINT32_MAX;
        EXPECT(symbol_search(start, ARRAY_LEN(start), cases[i].distance, &index));
        EXPECT_EQ(index, cases[i].index);
    }
    uint32_t index;
    EXPECT(!symbol_search(start, 0, 5, &index));
    EXPECT(!symbol_search(start + 1, 3, 15, &index));
}

GUEST_TEST(the_kernel_knows_its_own_functions)
{
    const char *name = NULL;
    uint64_t offset = UINT64_MAX;
    uint64_t address = (uint64_t)(uintptr_t)&symbol_lookup;
    REQUIRE(symbol_lookup(address, &name, &offset));
    EXPECT_STR(name, "symbol_lookup");
    EXPECT_EQ(offset, 0);
    REQUIRE(symbol_lookup((uint64_t)(uintptr_t)&panic_registers + 1, &name, &offset));
    EXPECT_STR(name, "panic_registers");
    EXPECT_EQ(offset, 1);
    EXPECT(!symbol_lookup(0, &name, &offset));
    EXPECT(!symbol_lookup(UINT64_MAX, &name, &offset));
    EXPECT(!symbol_lookup(symbol_base + symbol_end, &name, &offset));
}
