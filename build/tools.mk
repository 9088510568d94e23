# Programs that run while building: tools/NAME.c is out/host/NAME.
out/host/%: tools/%.c | out/host/.
	$(call say,HOSTCC,$@)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -Iabi -Ilib/base/include -o $@ $<

# tools/authority: the manifest's reader as init has it.
AUTHORITY_SOURCES := $(sort $(wildcard tools/authority/*.c)) $(filter-out %_test.c %_fuzz.c,$(sort $(wildcard lib/manifest/*.c))) \
	lib/base/fmt.c lib/base/string.c lib/base/object_type.c
out/host/authority: $(AUTHORITY_SOURCES) $(wildcard lib/manifest/*.h lib/manifest/*.def lib/manifest/include/manifest/*.h abi/*.def) | out/host/.
	$(call say,HOSTCC,$@)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -Iabi -Ilib/base/include -Ilib/manifest/include -o $@ $(AUTHORITY_SOURCES)

# tools/oci: what the system does with container images, under the sanitizers.
OCI_SOURCES := $(sort $(wildcard tools/oci/*.c)) $(filter-out %_test.c %_fuzz.c,$(sort $(wildcard lib/oci/*.c lib/digest/*.c))) \
	lib/fs/erofs.c lib/base/fmt.c lib/base/status.c lib/base/tree.c
out/host/oci: $(OCI_SOURCES) $(wildcard lib/oci/*.h lib/oci/include/oci/*.h) $$(PORT_LIBRARIES_HOST) | out/host/.
	$(call say,HOSTCC,$@)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -fsanitize=address,undefined -fno-sanitize-recover=all -Iabi -Ilib/base/include \
		-Ilib/digest/include -Ilib/fs/include -Ilib/oci/include -isystem $(HOST_SYSROOT)/include -o $@ $(OCI_SOURCES) \
		$(PORT_LIBRARIES_HOST)
