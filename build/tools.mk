# Programs that run while building: tools/NAME.c is out/host/NAME.
out/host/%: tools/%.c | out/host/.
	$(call say,HOSTCC,$@)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -Iabi -Ilib/base/include -o $@ $<
