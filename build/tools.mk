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
