# The portable kernel as an ordinary process, under the sanitizers: out/host/unit runs the tests that
# stand beside the code (TAP), out/host/fuzz-NAME is the libFuzzer program of NAME_fuzz.c.
UNIT_CFLAGS   := -std=gnu17 -O1 -g -fno-omit-frame-pointer -fno-strict-aliasing -fno-common -ffunction-sections -fdata-sections \
	$(filter-out -Wthread-safety,$(WARNINGS)) -DCONFIG_HOST=1 -DCONFIG_TESTS=1 -DCONFIG_DEBUG=1 \
	-DKERNEL_VERSION='"$(VERSION)"' -DKERNEL_FLAVOUR='"host"' -fsanitize=address,undefined -fno-sanitize-recover=all
UNIT_INCLUDES := -Iabi -Ilib/base/include -Ilib/fs/include -Ilib/digest/include -Ilib/oci/include -Ilib/container/include -Ilib/elf/include -Ilib/manifest/include -Ilib/program/include -Ilib/rt/include -Ikernel/include -Ikernel/arch/host/include -I$(HOST_GEN) -isystem $(HOST_SYSROOT)/include
# What only guest tests call is dropped with them.
UNIT_LINK     := -fuse-ld=lld -Wl,--gc-sections

# What needs a machine: entry, guest runner, stacks of its own, the kernel's real page tables.
UNIT_NOT_HOSTED := kernel/init/main.c kernel/init/limine.c kernel/init/bootstrap.c kernel/init/flat.c \
	kernel/debug/test.c kernel/debug/bench.c kernel/debug/crash.c kernel/debug/shell.c \
	kernel/sched/coroutine.c kernel/mm/kmap.c \
	kernel/guest/guest_test.c kernel/guest/sandbox_fixture_test.c kernel/guest/guest_bench.c
# Parts of an architecture that touch no hardware.
UNIT_PURE := $(foreach part,aarch64/asid aarch64/arm_acpi aarch64/fdt x86_64/pcid x86_64/x86_acpi,\
	kernel/arch/$(part).c kernel/arch/$(part)_test.c)
# Parts of the programs' runtime that make no system calls.
UNIT_RT := $(wildcard lib/rt/pages*.c lib/rt/random.c lib/rt/random_test.c lib/rt/ring*.c lib/rt/protocol*.c lib/rt/serve*.c)
UNIT_PORTABLE := $(filter-out %_fuzz.c %_bench.c $(UNIT_NOT_HOSTED),$(sort $(wildcard lib/base/*.c lib/fs/*.c lib/digest/*.c lib/oci/*.c lib/container/*.c lib/elf/*.c lib/manifest/*.c) lib/program/layout.c lib/program/program_test.c $(UNIT_RT) \
	$(shell find kernel -name '*.c' -not -path 'kernel/arch/*') $(wildcard kernel/arch/host/*.c) \
	$(UNIT_PURE)))
# System calls beside a model of them (tests/calls).
UNIT_INCLUDES += -Itests/sandbox
UNIT_CALLS    := $(filter-out %_test.c %_fuzz.c,$(wildcard tests/calls/*.c)) tests/sandbox/maker.c
UNIT_TESTS    := $(filter %_test.c,$(UNIT_PORTABLE)) $(wildcard tests/calls/*_test.c)
UNIT_CODE     := $(filter-out %_test.c,$(UNIT_PORTABLE)) $(UNIT_CALLS) $(addprefix $(HOST_GEN)/,$(ABI_KERNEL_CODE))
UNIT_OUT      := out/host/unit-objects
unit_objects   = $(patsubst %,$(UNIT_OUT)/%.o,$(1))

UNIT_STAMP := $(UNIT_OUT)/flags
UNIT_TEXT  := $(HOSTCC) $(UNIT_CFLAGS) $(UNIT_INCLUDES)
$(shell mkdir -p $(UNIT_OUT) && { printf '%s\n' '$(UNIT_TEXT)' | cmp -s - $(UNIT_STAMP) || \
	printf '%s\n' '$(UNIT_TEXT)' >$(UNIT_STAMP); })

$(UNIT_OUT)/%.c.o: %.c $(UNIT_STAMP) | $$(dir $$@).
	$(call say,HOSTCC,$<)
	$(Q)$(HOSTCC) $(UNIT_CFLAGS) $(UNIT_INCLUDES) -MMD -MP -c -o $@ $<

$(call unit_objects,$(UNIT_CODE) $(UNIT_TESTS)): | $(call abi_files,$(HOST_GEN)) $(PORT_LIBRARIES_HOST)

out/host/unit: $(call unit_objects,$(UNIT_CODE) $(UNIT_TESTS) lib/base/host/test_main.c) $(PORT_LIBRARIES_HOST)
	$(call say,LD,$@)
	$(Q)$(HOSTCC) $(UNIT_LINK) -fsanitize=address,undefined -o $@ $(filter %.o %.a,$^)

# --- Fuzzers: each beside what it attacks; the kernel's portable code comes along.
FUZZ_SOURCES := $(sort $(shell find lib kernel tests/calls -name '*_fuzz.c'))
FUZZERS      := $(patsubst %_fuzz.c,out/host/fuzz-%,$(notdir $(FUZZ_SOURCES)))

define fuzzer
out/host/fuzz-$(patsubst %_fuzz.c,%,$(notdir $(1))): $(call unit_objects,$(1) $(UNIT_CODE)) $(PORT_LIBRARIES_HOST)
	$$(call say,LD,$$@)
	$$(Q)$$(HOSTCC) $$(UNIT_LINK) -fsanitize=address,undefined,fuzzer -o $$@ $$(filter %.o %.a,$$^)
endef
$(foreach f,$(FUZZ_SOURCES),$(eval $(call fuzzer,$(f))))
$(call unit_objects,$(FUZZ_SOURCES) $(UNIT_CODE)): UNIT_CFLAGS += -fsanitize=fuzzer-no-link

.PHONY: unit fuzzers
unit: out/host/unit
	$(Q)$< $(T)
fuzzers: $(FUZZERS)

-include $(patsubst %.o,%.d,$(call unit_objects,$(UNIT_PORTABLE) $(UNIT_CALLS) $(UNIT_TESTS) $(FUZZ_SOURCES) lib/base/host/test_main.c))
