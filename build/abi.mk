# The contract: what tools/abigen makes from the tables in abi/. Every output folder has its own copy,
# so that no build waits for another one's.
ABIGEN_SOURCES := $(filter-out %_fuzz.c,$(sort $(wildcard tools/abigen/*.c)))
ABI_TABLES     := abi/errors.def abi/objects.def abi/rights.def abi/syscalls.abi
ABI_HEADERS    := abi_syscalls.h syscall_handlers.h syscall_stubs.h
ABI_CODE       := syscall_dispatch.c syscall_stubs.c syscall_table.c
ABI_DOCS       := syscalls.md errors.md objects.md
# Which of the C files each side links.
ABI_KERNEL_CODE := syscall_dispatch.c syscall_table.c
ABI_USER_CODE   := syscall_stubs.c

out/host/abigen: $(ABIGEN_SOURCES) $(wildcard tools/abigen/*.h) | out/host/.
	$(call say,HOSTCC,$@)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -o $@ $(ABIGEN_SOURCES)

# $(call abi_in,FOLDER): the rule for a folder's copy. $(call abi_files,FOLDER): its files.
abi_files = $(addprefix $(1)/,$(ABI_HEADERS) $(ABI_CODE))
define abi_in
$(call abi_files,$(1)) &: out/host/abigen $(ABI_TABLES) | $(1)/.
	$$(call say,ABI,$(1))
	$$(Q)out/host/abigen code abi $(1)
endef
HOST_GEN := out/host/gen
$(eval $(call abi_in,$(GEN)))
$(eval $(call abi_in,$(HOST_GEN)))

REFERENCE := out/docs/reference
$(addprefix $(REFERENCE)/,$(ABI_DOCS)) &: out/host/abigen $(ABI_TABLES) | $(REFERENCE)/.
	$(call say,ABI,$(REFERENCE))
	$(Q)out/host/abigen docs abi $(REFERENCE)

# The headers, for what reads the tree without building it.
.PHONY: generated
generated: $(call abi_files,$(GEN))
