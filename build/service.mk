# Services: every folder of services/ and services/drivers with a main.c, except the flat programs, is a
# program in C over musl: $(OUT)/services/NAME.debug, and without symbols $(OUT)/services/NAME, which
# becomes /bin/NAME of system.erofs. Position independent, its segments on pages of their own, none
# both writable and executable.
SERVICES := $(filter-out $(FLAT_DIRECTORIES),$(patsubst %/main.c,%,$(sort $(wildcard services/*/main.c \
	services/drivers/*/main.c))))
# Programs that only tests start.
ifneq ($(filter CONFIG_TESTS,$(CONFIG)),)
SERVICES += $(patsubst %/main.c,%,$(sort $(wildcard tests/services/*/main.c)))
endif
SERVICE_PROGRAMS := $(patsubst %,$(OUT)/services/%,$(notdir $(SERVICES)))

SERVICE_INCLUDES := $(SYSROOT_INCLUDES) -Iabi $(patsubst %,-I%,$(wildcard lib/*/include)) -Ilib/rt/arch/$(ARCH)/include -I$(GEN)
SERVICE_CFLAGS := $(filter-out -ffreestanding -fno-pic -fno-pie,$(TARGET_CFLAGS)) -fPIE $(WARNINGS) $(addprefix -D,$(addsuffix =1,$(CONFIG))) \
	-Wframe-larger-than=8192 -Wno-unused-command-line-argument
ifeq ($(COMPILER),gcc)
SERVICE_CFLAGS := $(filter-out -Wno-unused-command-line-argument,$(SERVICE_CFLAGS))
endif
# Before the thread pointer is set there is nothing to compare a canary with, so the runtime has none.
SERVICE_OWN_CFLAGS = $(SERVICE_CFLAGS) $(if $(filter lib/rt/% lib/base/% $(GEN)/%,$<),,-fno-stack-protector -fstack-protector-strong)

service_objects = $(patsubst %,$(OUT)/service/%.o,$(call plain,$(1)))

# --- The runtime: everything below lib that is not a test, in one archive; string.c is musl's.
LIBRARY_SOURCES := $(filter-out lib/base/string.c $(if $(filter CONFIG_TESTS,$(CONFIG)),,lib/base/test.c),$(sort $(wildcard lib/*/*.c lib/rt/posix/*.c))) \
	$(filter-out %/start.S,$(sort $(wildcard lib/rt/arch/$(ARCH)/*.[cS]))) $(addprefix $(GEN)/,$(ABI_USER_CODE))
LIBRARY_OBJECTS := $(call service_objects,$(LIBRARY_SOURCES))
LIBRARY         := $(OUT)/service/libthemelios.a
SERVICE_START   := $(call service_objects,$(sort $(wildcard lib/rt/arch/$(ARCH)/service/*.S)))
# Arithmetic that the CPU lacks (128-bit floating point) comes from the compiler's own library.
LIBGCC := $(shell $(if $(filter $(ARCH),$(shell uname -m)),gcc,$(subst _,-,$(ARCH))-linux-gnu-gcc) -print-libgcc-file-name)

$(OUT)/service/%.o: % $(FLAGS_STAMP) build/service.mk | $$(dir $$@). $(PORT_LIBRARIES) $(call abi_files,$(GEN))
	$(call say,CC,$<)
	$(Q)$(CC) $(SERVICE_OWN_CFLAGS) $(SERVICE_INCLUDES) -MMD -MP $(call database,$@) -c -o $@ $<

$(LIBRARY): $(LIBRARY_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && llvm-ar rcsD $@ $(LIBRARY_OBJECTS)

# --- Programs.
SERVICE_LINK := -pie -static --no-dynamic-linker --gc-sections --build-id=none --fatal-warnings -z text -z relro \
	-z now -z noexecstack -z separate-loadable-segments -z max-page-size=4096 -e _start

define service
$(OUT)/services/$(notdir $(1)).debug: $(SERVICE_START) $(call service_objects,$(sort $(wildcard $(1)/*.c))) $(LIBRARY) $(PORT_LIBRARIES) | $(OUT)/services/.
	$$(call say,LD,$$@)
	$$(Q)$$(LLD) $(SERVICE_LINK) -o $$@ $$(filter %.o,$$^) --start-group $$(filter %.a,$$^) $(LIBGCC) --end-group
$(OUT)/services/$(notdir $(1)): $(OUT)/services/$(notdir $(1)).debug
	$$(call say,STRIP,$$@)
	$$(Q)$$(OBJCOPY) --strip-all $$< $$@
endef
$(foreach s,$(SERVICES),$(eval $(call service,$(s))))

SYSTEM_FILES   += $(foreach s,$(notdir $(SERVICES)),bin/$(s):$(OUT)/services/$(s))
BUILD_PRODUCTS += $(LIBRARY) $(SERVICE_PROGRAMS)
$(OUT)/compile_commands.json: $(SERVICE_PROGRAMS)

-include $(shell find $(OUT)/service -name '*.d' 2>/dev/null)
