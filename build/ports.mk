# Third-party libraries, each from the distribution's source package that ports/NAME/port pins. Nothing
# of them is in the tree: tools/fetch-port brings the package to out/ports/NAME, and ports/NAME/build.mk
# makes a library of it in SYSROOT. What all flavours share is built once for each CPU and compiler.
PORTS      := $(patsubst ports/%/port,%,$(sort $(wildcard ports/*/port)))
PORTS_OUT  := out/ports
TARGET     := $(ARCH)-$(COMPILER)
SYSROOT    := out/sysroot/$(TARGET)
PORT_FLAGS := -O2 -g0 -fPIE -fno-common -fno-stack-protector -fno-asynchronous-unwind-tables -fomit-frame-pointer \
	-ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)=.
ifeq ($(COMPILER),gcc)
PORT_FLAGS += $(if $(filter x86_64,$(ARCH)),-fcf-protection=none,-mno-outline-atomics)
endif

$(PORTS_OUT)/%/src: ports/%/port tools/fetch-port
	$(call say,FETCH,$*)
	$(Q)tools/fetch-port $< $(PORTS_OUT)/$*
	$(Q)touch $@

# The library of each, in a sysroot. One make at a time works on a port.
PORT_FILE_musl  := libc.a
PORT_FILE_zlib  := libz.a
PORT_FILE_zstd  := libzstd.a
PORT_FILE_cjson := libcjson.a
port_library = $(SYSROOT)/lib/$(PORT_FILE_$(1))

# $(call port,NAME,CPU-AND-COMPILER,SYSROOT,CC,FLAGS,WHERE-SYSTEM-HEADERS-ARE)
define port
$(3)/lib/$(PORT_FILE_$(1)): $(PORTS_OUT)/$(1)/src $(shell find ports/$(1) -type f) build/ports.mk build/port.mk | $$(dir $$@). $(PORTS_OUT)/.
	$$(call say,PORT,$(1) $(2))
	+$$(Q)flock $(PORTS_OUT)/$(1)/lock $$(MAKE) -s -f ports/$(1)/build.mk ARCH=$(ARCH) CC='$(4)' FLAGS='$(5)' SYSTEM='$(6)' \
		SOURCE=$(PORTS_OUT)/$(1)/src BUILD=$(PORTS_OUT)/$(1)/$(2) SYSROOT=$(3)
	$$(Q)touch $$@
endef
# What -print-file-name says is there for both compilers: the headers that belong to the compiler.
SYSROOT_INCLUDES := -nostdinc -isystem $(SYSROOT)/include -isystem $(shell $(CC) -print-file-name=include)
$(foreach p,$(PORTS),$(eval $(call port,$(p),$(TARGET),$(SYSROOT),$(CC),$(PORT_FLAGS),$(SYSROOT_INCLUDES))))
$(addprefix $(SYSROOT)/lib/,$(foreach p,$(filter-out musl,$(PORTS)),$(PORT_FILE_$(p)))): | $(SYSROOT)/lib/libc.a

# The same for host programs, under the address sanitizer: everything but the C library.
PORTS_HOST   := $(filter-out musl,$(PORTS))
HOST_SYSROOT := out/host/sysroot
$(foreach p,$(PORTS_HOST),$(eval $(call port,$(p),host,$(HOST_SYSROOT),$(HOSTCC),-O2 -g -fsanitize=address,)))
PORT_LIBRARIES_HOST := $(foreach p,$(PORTS_HOST),$(HOST_SYSROOT)/lib/$(PORT_FILE_$(p)))

PORT_LIBRARIES := $(foreach p,$(PORTS),$(call port_library,$(p)))

.PHONY: ports
ports: $(PORT_LIBRARIES) $(PORT_LIBRARIES_HOST)
