# The Linux personality: $(OUT)/linux.debug, and without symbols $(OUT)/linux, which becomes /bin/linux of
# system.erofs. Freestanding, over lib/rt without posix; general registers only, because the vector
# registers are its guest's. The same sources, over linux/machine/host in place of machine/native, are
# out/host/unit-linux and fuzzers out/host/fuzz-linux-NAME.
LINUX_TABLE := linux/linux.abi

out/host/linuxgen: tools/linuxgen/main.c | out/host/.
	$(call say,HOSTCC,$@)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -o $@ $<

# $(call linux_calls_in,FOLDER,ARCH): what is made from the table.
define linux_calls_in
$(1)/linux/calls.h $(1)/linux_calls.c &: out/host/linuxgen $(LINUX_TABLE) | $(1)/. $(1)/linux/.
	$$(call say,ABI,$(1)/linux)
	$$(Q)out/host/linuxgen code $(LINUX_TABLE) $(2) $(1)
endef
LINUX_HOST_ARCH := $(shell uname -m)
$(eval $(call linux_calls_in,$(GEN),$(ARCH)))
$(eval $(call linux_calls_in,$(HOST_GEN),$(LINUX_HOST_ARCH)))

$(REFERENCE)/linux-calls.md: out/host/linuxgen $(LINUX_TABLE) | $(REFERENCE)/.
	$(call say,ABI,$@)
	$(Q)out/host/linuxgen docs $(LINUX_TABLE) $@

generated: $(GEN)/linux/calls.h

LINUX_PORTABLE := $(sort $(filter-out linux/machine/% linux/vdso/%,$(wildcard linux/*/*.c)))
LINUX_LIBRARY  := $(wildcard lib/base/*.c lib/elf/*.c lib/fs/*.c) lib/rt/lock.c lib/rt/pages.c
LINUX_INCLUDES := -Iabi -Ilib/base/include -Ilib/elf/include -Ilib/fs/include -Ilib/rt/include -Ilinux/include

# --- The program.
LINUX_SOURCES := $(call plain,$(LINUX_PORTABLE) $(sort $(wildcard linux/machine/native/*.[cS] linux/machine/native/arch/$(ARCH)/*.[cS] \
	linux/arch/$(ARCH)/*.[cS])) \
	$(filter-out lib/base/test.c lib/rt/%,$(LINUX_LIBRARY)) \
	$(filter-out lib/rt/space.c lib/rt/serve.c,$(sort $(wildcard lib/rt/*.c lib/rt/arch/$(ARCH)/*.S))) \
	lib/rt/arch/$(ARCH)/service/start.S lib/rt/arch/$(ARCH)/service/thread.S) \
	$(addprefix $(GEN)/,$(ABI_USER_CODE) linux_calls.c)
LINUX_SOURCES := $(filter-out lib/rt/arch/$(ARCH)/start.S lib/rt/arch/$(ARCH)/enter.S,$(LINUX_SOURCES))
LINUX_OBJECTS := $(patsubst %,$(OUT)/linux-objects/%.o,$(LINUX_SOURCES))
LINUX_CFLAGS  := $(filter-out -fno-pic -fno-pie,$(TARGET_CFLAGS)) -fPIE -mgeneral-regs-only $(WARNINGS) \
	$(addprefix -D,$(addsuffix =1,$(CONFIG))) -Wframe-larger-than=8192
LINUX_PROGRAM_INCLUDES := $(LINUX_INCLUDES) -Ilinux/machine/native -Ilib/rt/arch/$(ARCH)/include -I$(GEN)

$(OUT)/linux-objects/%.o: % $(FLAGS_STAMP) build/linux.mk | $$(dir $$@). $(call abi_files,$(GEN)) $(GEN)/linux/calls.h
	$(call say,CC,$<)
	$(Q)$(CC) $(LINUX_CFLAGS) $(LINUX_PROGRAM_INCLUDES) -MMD -MP $(call database,$@) -c -o $@ $<

# --- The object that programs map to read the time (linux/include/linux/vdso.h): an ELF file of one page.
VDSO         := $(OUT)/linux-vdso.so
VDSO_OBJECTS := $(patsubst %,$(OUT)/linux-vdso/%.o,$(sort $(wildcard linux/vdso/*.c linux/vdso/arch/$(ARCH)/*.[cS])))
VDSO_CFLAGS  := $(filter-out -fno-pic -fno-pie -g -fdata-sections -ffunction-sections,$(TARGET_CFLAGS)) -fPIC -fvisibility=default \
	-mgeneral-regs-only $(WARNINGS)

$(OUT)/linux-vdso/%.o: % $(FLAGS_STAMP) build/linux.mk | $$(dir $$@).
	$(call say,CC,$<)
	$(Q)$(CC) $(VDSO_CFLAGS) -Ilinux/include -Ilinux/vdso/arch/$(ARCH) -MMD -MP -c -o $@ $<

$(VDSO): $(VDSO_OBJECTS) linux/vdso/vdso.ld linux/vdso/arch/$(ARCH)/version.map
	$(call say,LD,$@)
	$(Q)$(LLD) -shared -Bsymbolic --hash-style=both --build-id=none -soname linux-vdso.so.1 -z noexecstack -z norelro --fatal-warnings \
		--version-script linux/vdso/arch/$(ARCH)/version.map -T linux/vdso/vdso.ld -o $@.all $(VDSO_OBJECTS)
	$(Q)$(OBJCOPY) --strip-all $@.all $@

$(OUT)/linux-objects/linux/machine/native/vdso_image.S.o: LINUX_CFLAGS += -DVDSO='"$(VDSO)"'
$(OUT)/linux-objects/linux/machine/native/vdso_image.S.o: $(VDSO)

-include $(shell find $(OUT)/linux-vdso -name '*.d' 2>/dev/null)

$(OUT)/linux.debug: $(LINUX_OBJECTS)
	$(call say,LD,$@)
	$(Q)$(LLD) $(SERVICE_LINK) -o $@ $(LINUX_OBJECTS) $(LIBGCC)
$(OUT)/linux: $(OUT)/linux.debug
	$(call say,STRIP,$@)
	$(Q)$(OBJCOPY) --strip-all $< $@

SYSTEM_FILES   += bin/linux:$(OUT)/linux
BUILD_PRODUCTS += $(OUT)/linux
$(OUT)/compile_commands.json: $(filter %.c.o,$(LINUX_OBJECTS))

-include $(shell find $(OUT)/linux-objects -name '*.d' 2>/dev/null)

# --- As an ordinary process.
LINUX_HOST_OUT      := out/host/linux-objects
LINUX_HOST_CODE     := $(call plain,$(LINUX_PORTABLE) $(sort $(wildcard linux/machine/host/*.c linux/machine/host/$(LINUX_HOST_ARCH)/*.c linux/arch/$(LINUX_HOST_ARCH)/*.c) $(LINUX_LIBRARY) lib/rt/ring.c)) \
	$(HOST_GEN)/linux_calls.c
LINUX_HOST_TESTS    := $(sort $(shell find linux -name '*_test.c' -not -path 'linux/machine/native/*' -not -path 'linux/arch/*') \
	$(wildcard linux/arch/$(LINUX_HOST_ARCH)/*_test.c)) lib/base/host/test_main.c
LINUX_FUZZ_SOURCES  := $(sort $(shell find linux -name '*_fuzz.c'))
LINUX_HOST_INCLUDES := $(LINUX_INCLUDES) -I$(HOST_GEN)
linux_host_objects   = $(patsubst %,$(LINUX_HOST_OUT)/%.o,$(1))

$(LINUX_HOST_OUT)/%.c.o: %.c $(UNIT_STAMP) build/linux.mk | $$(dir $$@). $(HOST_GEN)/linux/calls.h $(call abi_files,$(HOST_GEN))
	$(call say,HOSTCC,$<)
	$(Q)$(HOSTCC) $(UNIT_CFLAGS) -fsanitize=fuzzer-no-link $(LINUX_HOST_INCLUDES) -MMD -MP -c -o $@ $<

out/host/unit-linux: $(call linux_host_objects,$(LINUX_HOST_CODE) $(LINUX_HOST_TESTS))
	$(call say,LD,$@)
	$(Q)$(HOSTCC) $(UNIT_LINK) -fsanitize=address,undefined -pthread -o $@ $^

# The same under the thread sanitizer, which is told in tests/races.txt what may look without a lock.
RACES_OUT     := out/host/races-objects
RACES_CFLAGS   = $(filter-out -fsanitize=% -fno-sanitize-recover=%,$(UNIT_CFLAGS)) -fsanitize=thread
races_objects  = $(patsubst %,$(RACES_OUT)/%.o,$(1))

$(RACES_OUT)/%.c.o: %.c $(UNIT_STAMP) build/linux.mk | $$(dir $$@). $(HOST_GEN)/linux/calls.h $(call abi_files,$(HOST_GEN))
	$(call say,HOSTCC,$<)
	$(Q)$(HOSTCC) $(RACES_CFLAGS) $(LINUX_HOST_INCLUDES) -MMD -MP -c -o $@ $<

out/host/races-linux: $(call races_objects,$(LINUX_HOST_CODE) $(LINUX_HOST_TESTS))
	$(call say,LD,$@)
	$(Q)$(HOSTCC) $(UNIT_LINK) -fsanitize=thread -pthread -o $@ $^

.PHONY: races
races: out/host/races-linux
	$(Q)set -f; TSAN_OPTIONS="suppressions=tests/races.txt history_size=4 $$TSAN_OPTIONS" $< $(T)

-include $(patsubst %.o,%.d,$(call races_objects,$(LINUX_HOST_CODE) $(LINUX_HOST_TESTS)))

define linux_fuzzer
out/host/fuzz-linux-$(patsubst %_fuzz.c,%,$(notdir $(1))): $(call linux_host_objects,$(1) $(LINUX_HOST_CODE))
	$$(call say,LD,$$@)
	$$(Q)$$(HOSTCC) $$(UNIT_LINK) -fsanitize=address,undefined,fuzzer -pthread -o $$@ $$^
endef
$(foreach f,$(LINUX_FUZZ_SOURCES),$(eval $(call linux_fuzzer,$(f))))

HOST_UNITS   += out/host/unit-linux
HOST_FUZZERS += $(patsubst %_fuzz.c,out/host/fuzz-linux-%,$(notdir $(LINUX_FUZZ_SOURCES)))

.PHONY: unit-linux
unit-linux: out/host/unit-linux
	$(Q)$< $(T)

-include $(shell find $(LINUX_HOST_OUT) -name '*.d' 2>/dev/null)
