# The loader without UEFI, and behind it the bundle (configuration, kernel, modules) in one file:
# out/ARCH/themelios-direct is an ELF file for PVH and Multiboot2 on x86_64, an arm64 Image on aarch64.
BOOT_DIRECT := $(OUT)/themelios-direct
BOOT_BUNDLE := $(OUT)/bundle.cpio
BOOT_DIRECTORIES_x86_64  := boot/pvh boot/multiboot2
BOOT_DIRECTORIES_aarch64 := boot/arm64-image
BOOT_SCRIPT_x86_64       := boot/pvh/loader.ld
BOOT_SCRIPT_aarch64      := boot/arm64-image/loader.ld
BOOT_SCRIPT := $(BOOT_SCRIPT_$(ARCH))

BOOT_SOURCES := $(call plain,$(sort $(wildcard boot/common/*.[cS] boot/common/$(ARCH)/*.[cS] \
	$(addsuffix /*.[cS],$(BOOT_DIRECTORIES_$(ARCH)))) lib/base/fmt.c lib/base/string.c lib/elf/elf.c lib/digest/sha256.c))
BOOT_OBJECTS := $(patsubst %,$(OUT)/boot/%.o,$(BOOT_SOURCES))

# Position independent: an Image lies where it was put, and CPUs run parts of the loader through the
# direct map.
BOOT_CFLAGS := $(filter-out -fno-pic -fno-pie,$(TARGET_CFLAGS)) $(WARNINGS) -Wframe-larger-than=2048 \
	-fpie -mgeneral-regs-only $(if $(filter x86_64,$(ARCH)),-mno-red-zone,-mstrict-align)
BOOT_INCLUDES := -Iabi -Ilib/base/include -Ilib/elf/include -Ilib/digest/include -Iboot/common/include

$(OUT)/boot/%.o: % $(FLAGS_STAMP) build/boot.mk | $$(dir $$@).
	$(call say,CC,$<)
	$(Q)$(CC) $(BOOT_CFLAGS) $(BOOT_INCLUDES) -MMD -MP $(call database,$@) -c -o $@ $<

# --- The bundle. A path on the boot volume and the file that is put there.
# The file carries its volume with it, so whoever checks the file has checked the image: no digest inside.
BOOT_CONF  := $(OUT)/limine-direct.conf
$(BOOT_CONF): system/limine.conf
	$(call say,GEN,$@)
	$(Q)sed -e 's/#@BLAKE2B@//' $< >$@

BOOT_FILES := boot/limine.conf=$(BOOT_CONF) boot/themelios=$(KERNEL) boot/system.erofs=$(OUT)/system.erofs

$(BOOT_BUNDLE): out/host/mkbundle $(foreach f,$(BOOT_FILES),$(lastword $(subst =, ,$(f))))
	$(call say,CPIO,$@)
	$(Q)out/host/mkbundle $@ $(BOOT_FILES)

$(OUT)/boot/boot/common/bundle.S.o: BOOT_CFLAGS += -DBUNDLE='"$(BOOT_BUNDLE)"'
$(OUT)/boot/boot/common/bundle.S.o: $(BOOT_BUNDLE)

# --- The file.
$(BOOT_DIRECT).elf: $(BOOT_OBJECTS) $(BOOT_SCRIPT)
	$(call say,LD,$@)
	$(Q)$(LLD) $(LINK_FLAGS) $(if $(filter aarch64,$(ARCH)),-pie) -T $(BOOT_SCRIPT) -o $@ $(BOOT_OBJECTS)

$(BOOT_DIRECT): $(BOOT_DIRECT).elf
	$(call say,BOOT,$@)
	$(Q)$(OBJCOPY) $(if $(filter aarch64,$(ARCH)),-O binary,--strip-all) $< $@

ifneq ($(wildcard kernel/init/main.c),)
BUILD_PRODUCTS += $(BOOT_DIRECT)
endif

$(OUT)/compile_commands.json: $(BOOT_OBJECTS)

-include $(BOOT_OBJECTS:.o=.d)

# --- The loader's portable parts as a process: out/host/unit-boot, and fuzzers out/host/fuzz-boot-NAME.
BOOT_HOST_OUT      := out/host/boot-objects
BOOT_HOST_CODE     := $(call plain,$(wildcard boot/common/*.c boot/common/host/*.c)) boot/pvh/pvh_info.c \
	boot/multiboot2/multiboot2_info.c lib/base/fmt.c lib/base/string.c lib/elf/elf.c lib/digest/sha256.c
BOOT_HOST_UEFI     := $(filter-out boot/uefi/main.c,$(call plain,$(wildcard boot/uefi/*.c)))
BOOT_HOST_TESTS    := $(sort $(shell find boot -name '*_test.c')) lib/base/test.c lib/base/status.c lib/base/host/test_main.c
BOOT_FUZZ_SOURCES  := $(sort $(shell find boot -name '*_fuzz.c'))
BOOT_HOST_CFLAGS    = $(UNIT_CFLAGS) -fsanitize=fuzzer-no-link
BOOT_HOST_INCLUDES := $(BOOT_INCLUDES) -Iboot/uefi
boot_host_objects   = $(patsubst %,$(BOOT_HOST_OUT)/%.o,$(1))

$(BOOT_HOST_OUT)/%.c.o: %.c build/boot.mk build/host.mk | $$(dir $$@).
	$(call say,HOSTCC,$<)
	$(Q)$(HOSTCC) $(BOOT_HOST_CFLAGS) $(BOOT_HOST_INCLUDES) -MMD -MP -c -o $@ $<

out/host/unit-boot: $(call boot_host_objects,$(BOOT_HOST_CODE) $(BOOT_HOST_UEFI) $(BOOT_HOST_TESTS))
	$(call say,LD,$@)
	$(Q)$(HOSTCC) -fsanitize=address,undefined -o $@ $^

define boot_fuzzer
out/host/fuzz-boot-$(patsubst %_fuzz.c,%,$(notdir $(1))): $(call boot_host_objects,$(1) $(BOOT_HOST_CODE))
	$$(call say,LD,$$@)
	$$(Q)$$(HOSTCC) -fsanitize=address,undefined,fuzzer -o $$@ $$^
endef
$(foreach f,$(BOOT_FUZZ_SOURCES),$(eval $(call boot_fuzzer,$(f))))

HOST_UNITS   += out/host/unit-boot
HOST_FUZZERS += $(patsubst %_fuzz.c,out/host/fuzz-boot-%,$(notdir $(BOOT_FUZZ_SOURCES)))

-include $(patsubst %.o,%.d,$(call boot_host_objects,$(BOOT_HOST_CODE) $(BOOT_HOST_UEFI) $(BOOT_HOST_TESTS) $(BOOT_FUZZ_SOURCES)))
