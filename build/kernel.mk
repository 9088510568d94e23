# The kernel, and the flat user programs inside it. Sources are found, not listed: a file belongs to
# the build because of where it lies. foo_test.c and foo_bench.c only under CONFIG_TESTS, foo_fuzz.c never.

# $(call sources,FILES): without fuzzers, and without tests where they are not wanted.
sources = $(filter-out %_fuzz.c $(if $(filter CONFIG_TESTS,$(CONFIG)),,%_test.c %_bench.c),$(1))
# $(call plain,FILES): neither fuzzers nor tests.
plain = $(filter-out %_fuzz.c %_test.c %_bench.c,$(1))

KERNEL_SOURCES := $(call sources,$(sort $(shell find kernel -name '*.c' -not -path 'kernel/arch/*')) \
	$(filter-out %/asm_offsets.c,$(sort $(shell find kernel/arch/$(ARCH) -name '*.c'))) \
	$(sort $(wildcard lib/base/*.c))) $(addprefix $(GEN)/,$(ABI_KERNEL_CODE))
KERNEL_ASSEMBLY := $(sort $(shell find kernel -name '*.S' -not -path 'kernel/arch/*') \
	$(shell find kernel/arch/$(ARCH) -name '*.S'))
KERNEL_OBJECTS  := $(patsubst %,$(OUT)/kernel/%.o,$(KERNEL_SOURCES) $(KERNEL_ASSEMBLY))
KERNEL_SCRIPT   := kernel/arch/$(ARCH)/kernel.ld
KERNEL          := $(OUT)/themelios
ASM_OFFSETS     := $(GEN)/asm_offsets.h

ifneq ($(wildcard kernel/init/main.c),)
BUILD_PRODUCTS += $(KERNEL) $(OUT)/compile_commands.json
endif

# --- Flat user programs: one directory, linked at a fixed address, copied out as plain bytes.
FLAT_DIRECTORIES := services/bootstrap $(if $(filter CONFIG_TESTS,$(CONFIG)),tests/guest tests/sandbox)
FLAT_DIRECTORIES := $(foreach d,$(FLAT_DIRECTORIES),$(if $(wildcard $(d)/*.[cS]),$(d)))
FLAT_PROGRAMS    := $(patsubst %,$(GEN)/%.flat,$(notdir $(FLAT_DIRECTORIES)))
RT_SOURCES       := $(call plain,$(sort $(wildcard lib/rt/*.c lib/rt/arch/$(ARCH)/*.[cS] lib/base/*.c lib/elf/*.c lib/fs/*.c lib/program/*.c))) \
	$(addprefix $(GEN)/,$(ABI_USER_CODE))

# Where each is linked. A sandbox lives in the part of user space that guests do not have.
FLAT_BASE         := 0x400000
FLAT_BASE_sandbox := 0x7f8000400000

user_objects = $(patsubst %,$(OUT)/user/%.o,$(call plain,$(1)))

define flat_program
$(GEN)/$(notdir $(1)).elf: build/flat.ld $(call user_objects,$(sort $(wildcard $(1)/*.[cS] $(1)/arch/$(ARCH)/*.[cS])) $(RT_SOURCES))
	$$(call say,LD,$$@)
	$$(Q)$$(LLD) $$(LINK_FLAGS) --defsym=FLAT_BASE=$(or $(FLAT_BASE_$(notdir $(1))),$(FLAT_BASE)) -T build/flat.ld -o $$@ $$(filter %.o,$$^)
$(GEN)/$(notdir $(1)).flat: $(GEN)/$(notdir $(1)).elf
	$$(Q)$$(OBJCOPY) -O binary $$< $$@
endef
$(foreach d,$(FLAT_DIRECTORIES),$(eval $(call flat_program,$(d))))
USER_OBJECTS := $(call user_objects,$(foreach d,$(FLAT_DIRECTORIES),$(wildcard $(d)/*.[cS])) $(RT_SOURCES))
$(USER_OBJECTS): | $(call abi_files,$(GEN))

$(OUT)/user/%.o: % $(FLAGS_STAMP) | $$(dir $$@).
	$(call say,CC,$<)
	$(Q)$(CC) $(USER_CFLAGS) $(USER_INCLUDES) -MMD -MP $(call database,$@) -c -o $@ $<

# --- Offsets of structure members, for assembly.
$(ASM_OFFSETS): kernel/arch/$(ARCH)/asm_offsets.c build/asm_offsets.h $(FLAGS_STAMP) | $(GEN)/. $(call abi_files,$(GEN))
	$(call say,GEN,$@)
	$(Q)$(CC) $(KERNEL_CFLAGS) $(KERNEL_INCLUDES) -include build/asm_offsets.h -MMD -MT $@ -MF $@.d \
		-S -o $@.s $<
	$(Q){ echo '#pragma once'; sed -n 's/.*"->\([A-Za-z0-9_]*\) [$$#]*\(-*[0-9]*\)".*/#define \1 \2/p' $@.s; } >$@

# --- Objects.
$(OUT)/kernel/kernel/init/version.c.o: private KERNEL_CFLAGS += -DKERNEL_VERSION='"$(VERSION)"' -DKERNEL_FLAVOUR='"$(FLAVOUR)"'
$(OUT)/kernel/kernel/init/version.c.o: VERSION
# What every system call and every message passes: the chain of frames goes by them.
$(OUT)/kernel/kernel/sys/dispatch.c.o $(OUT)/kernel/kernel/ipc/fast.c.o: private KERNEL_CFLAGS += -fomit-frame-pointer

$(OUT)/kernel/%.c.o: %.c $(FLAGS_STAMP) | $$(dir $$@).
	$(call say,CC,$<)
	$(Q)$(CC) $(KERNEL_CFLAGS) $(KERNEL_INCLUDES) -MMD -MP $(call database,$@) -c -o $@ $<
$(OUT)/kernel/%.S.o: %.S $(FLAGS_STAMP) | $$(dir $$@).
	$(call say,AS,$<)
	$(Q)$(CC) $(KERNEL_CFLAGS) $(KERNEL_INCLUDES) -MMD -MP -c -o $@ $<

$(KERNEL_OBJECTS): | $(ASM_OFFSETS) $(FLAT_PROGRAMS) $(call abi_files,$(GEN))
# -MMD does not see .incbin, so whoever uses it depends on every flat program.
INCBIN_USERS := $(if $(KERNEL_SOURCES),$(shell grep -l incbin $(filter-out $(GEN)/%,$(KERNEL_SOURCES)) $(KERNEL_ASSEMBLY)))
$(patsubst %,$(OUT)/kernel/%.o,$(INCBIN_USERS)): $(FLAT_PROGRAMS)

# --- The image, with its symbol table (build/ksyms.mk). The list of objects is a file that changes with
# it: a source that is gone is gone from the kernel too.
OBJECTS_STAMP := $(OUT)/objects
$(shell printf '%s\n' '$(KERNEL_OBJECTS)' | cmp -s - $(OBJECTS_STAMP) || \
	printf '%s\n' '$(KERNEL_OBJECTS)' >$(OBJECTS_STAMP))

include build/ksyms.mk
$(KERNEL).debug: $(KERNEL_OBJECTS) $(OBJECTS_STAMP) $(KERNEL_SCRIPT) $(KSYMS) build/ksyms.mk
	$(call say,LD,$@)
	$(link_with_symbols)

$(KERNEL): $(KERNEL).debug build/kernel.mk
	$(call say,STRIP,$@)
	$(Q)$(OBJCOPY) --strip-all $< $@

# --- For editors and clang-tidy; clang only. A source that is gone has left its fragment behind.
$(OUT)/compile_commands.json: $(KERNEL)
	$(Q){ echo '['; find $(OUT)/kernel $(OUT)/user $(OUT)/service $(OUT)/linux-objects $(OUT)/boot $(OUT)/uefi/boot/uefi -name '*.o.json' 2>/dev/null | sort | \
		while read -r fragment; do source=$${fragment#$(OUT)/*/}; \
			[ ! -e "$${source%.o.json}" ] || cat "$$fragment"; done | sed '$$ s/,$$//'; \
		echo ']'; } >$@
	$(Q)if [ $(FLAVOUR)$(COMPILER) = debugclang ]; then cp $@ compile_commands.json; fi

%/.:
	$(Q)mkdir -p $@

.PRECIOUS: %/.
-include $(KERNEL_OBJECTS:.o=.d) $(ASM_OFFSETS).d $(shell find $(OUT)/user -name '*.d' 2>/dev/null)
