/* The archive with the configuration, the kernel and the modules, for a loader in one file. The
 * build says which file BUNDLE is; without it the loader has none.
 */
.section .bundle, "a"
.balign 4096
.global direct_bundle, direct_bundle_end
direct_bundle:
#ifdef BUNDLE
    .incbin BUNDLE
#endif
direct_bundle_end:

.section .note.GNU-stack, "", %progbits
