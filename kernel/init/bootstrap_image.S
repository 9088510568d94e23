/* The first program, as bytes. */
    .section .user_flat, "a"
    .balign 4096
    .global bootstrap_image
bootstrap_image:
    .incbin "bootstrap.flat"
    .balign 4096
