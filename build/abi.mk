# The contract: what tools/abigen makes from the tables in abi/. Every output folder has its own copy,
# so that no build waits for another one's.
ABIGEN_SOURCES := $(filter-out %_fuzz.c,$(sort $(wildcard tools/abigen/*.c)))
ABI_PROTOCOLS  := $(sort $(wildcard abi/protocols/*.abi))
ABI_TABLES     := abi/errors.def abi/objects.def abi/rights.def abi/syscalls.abi
ABI_HEADERS    := abi_syscalls.h syscall_handlers.h syscall_stubs.h
ABI_CODE       := syscall_dispatch.c syscall_stubs.c syscall_table.c protocols.c
ABI_DOCS       := syscalls.md errors.md objects.md protocols.md
# Which of the C files each side links.
ABI_KERNEL_CODE := syscall_dispatch.c syscall_table.c
ABI_USER_CODE   := syscall_stubs.c protocols.c syscall_table.c

out/host/abigen: $(ABIGEN_SOURCES) $(wildcard tools/abigen/*.h) | out/host/.
	$(call say,HOSTCC,$@)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -o $@ $(ABIGEN_SOURCES)

# $(call abi_in,FOLDER): the rule for a folder's copy. $(call abi_files,FOLDER): its files.
abi_files = $(addprefix $(1)/,$(ABI_HEADERS) $(ABI_CODE))
define abi_in
$(call abi_files,$(1)) &: out/host/abigen $(ABI_TABLES) $(ABI_PROTOCOLS) | $(1)/.
	$$(call say,ABI,$(1))
	$$(Q)out/host/abigen code abi $(1)
endef
HOST_GEN := out/host/gen
$(eval $(call abi_in,$(GEN)))
$(eval $(call abi_in,$(HOST_GEN)))

REFERENCE := out/docs/reference
$(addprefix $(REFERENCE)/,$(ABI_DOCS)) &: out/host/abigen $(ABI_TABLES) $(ABI_PROTOCOLS) | $(REFERENCE)/.
	$(call say,ABI,$(REFERENCE))
	$(Q)out/host/abigen docs abi $(REFERENCE)

# The headers, for what reads the tree without building it.
.PHONY: generated
generated: $(call abi_files,$(GEN))

# --- The generator's own tests. out/host/unit-abigen: what it makes of a small contract, compiled for
# the host and run from stub to handler. out/host/fuzz-abigen: any bytes as tables.
GOLDEN_TABLES  := tests/golden/abigen/tables
GOLDEN_GEN     := out/host/golden-abi
GOLDEN_CODE    := $(addprefix $(GOLDEN_GEN)/,$(filter-out protocols.c,$(ABI_CODE))) kernel/sys/dispatch.c lib/base/object_type.c
GOLDEN_TESTS   := tests/golden/abigen/dispatch_test.c lib/base/test.c lib/base/fmt.c lib/base/string.c \
	lib/base/host/test_main.c
GOLDEN_OBJECTS := $(patsubst %,$(GOLDEN_GEN)/%.o,$(GOLDEN_CODE) $(GOLDEN_TESTS))

$(call abi_files,$(GOLDEN_GEN)) &: out/host/abigen $(addprefix $(GOLDEN_TABLES)/,$(notdir $(ABI_TABLES))) | $(GOLDEN_GEN)/.
	$(call say,ABI,$(GOLDEN_GEN))
	$(Q)out/host/abigen code $(GOLDEN_TABLES) $(GOLDEN_GEN)

$(GOLDEN_GEN)/%.c.o: %.c build/abi.mk build/host.mk | $$(dir $$@). $(call abi_files,$(GOLDEN_GEN))
	$(call say,HOSTCC,$<)
	$(Q)$(HOSTCC) $(UNIT_CFLAGS) -I$(GOLDEN_TABLES) -I$(GOLDEN_GEN) $(filter-out -I$(HOST_GEN),$(UNIT_INCLUDES)) \
		-Ilib/rt/include -MMD -MP -c -o $@ $<

out/host/unit-abigen: $(GOLDEN_OBJECTS)
	$(call say,LD,$@)
	$(Q)$(HOSTCC) $(UNIT_LINK) -fsanitize=address,undefined -o $@ $^

out/host/fuzz-abigen: tools/abigen/abigen_fuzz.c $(filter-out %/main.c,$(ABIGEN_SOURCES)) $(wildcard tools/abigen/*.h) | out/host/.
	$(call say,HOSTCC,$@)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -fsanitize=address,undefined,fuzzer -fno-sanitize-recover=all -o $@ $(filter %.c,$^)

HOST_UNITS   += out/host/unit-abigen
HOST_FUZZERS += out/host/fuzz-abigen
-include $(GOLDEN_OBJECTS:.o=.d)
