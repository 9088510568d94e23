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

# $(call port_library,NAME): the library, as musl is SYSROOT/lib/libc.a. One make at a time works there.
PORT_LIBRARY_musl := $(SYSROOT)/lib/libc.a
define port
$(PORT_LIBRARY_$(1)): $(PORTS_OUT)/$(1)/src $(shell find ports/$(1) -type f) build/ports.mk | $$(dir $$@). $(PORTS_OUT)/.
	$$(call say,PORT,$(1) $(TARGET))
	+$$(Q)flock $(PORTS_OUT)/$(1)/lock $$(MAKE) -s -f ports/$(1)/build.mk ARCH=$(ARCH) CC='$(CC)' FLAGS='$(PORT_FLAGS)' \
		SOURCE=$(PORTS_OUT)/$(1)/src BUILD=$(PORTS_OUT)/$(1)/$(TARGET) SYSROOT=$(SYSROOT)
	$$(Q)touch $$@
endef
$(foreach p,$(PORTS),$(eval $(call port,$(p))))

PORT_LIBRARIES := $(foreach p,$(PORTS),$(PORT_LIBRARY_$(p)))

.PHONY: ports
ports: $(PORT_LIBRARIES)
