/* Registers that user mode feels. */
#include <arch_impl/sysreg.h>
#include <kernel/test.h>

#define MDSCR_TDCC BIT64(12)

/* Whatever firmware left there, and reset values are unknown. */
GUEST_TEST(user_mode_reaches_no_debug_channel_and_no_monitors)
{
    EXPECT_EQ(SYSREG_READ(mdscr_el1), MDSCR_TDCC);
    if (ID_FIELD(SYSREG_READ(id_aa64dfr0_el1), 8) % 15 != 0)
        EXPECT_EQ(SYSREG_READ(pmuserenr_el0), 0);
    if (ID_FIELD(SYSREG_READ(id_aa64pfr0_el1), 44) != 0)
        EXPECT_EQ(SYSREG_READ(S3_3_C13_C2_3), 0);
}
