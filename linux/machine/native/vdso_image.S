/* The object that is mapped into programs (linux/vdso), as the build made it. */
    .section .rodata
    .global native_vdso_image, native_vdso_image_end
    .balign 16
native_vdso_image:
    .incbin VDSO
native_vdso_image_end:
