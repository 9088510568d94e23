/* The user programs of the tests, as bytes. */
#ifdef CONFIG_TESTS
    .section .user_flat, "a"
    .balign 4096
    .global user_test_image
user_test_image:
    .incbin "guest.flat"
    .balign 4096
    .global sandbox_image
sandbox_image:
    .incbin "sandbox.flat"
    .balign 4096
#endif
