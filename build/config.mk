# What the caller may set. An unknown value is an error, never a silent default.
ARCH     ?= x86_64
FLAVOUR  ?= debug
COMPILER ?= clang
V        ?= 0

one_of = $(if $(filter $($(1)),$(2)),,$(error $(1)=$($(1)): must be one of: $(2)))
$(call one_of,ARCH,x86_64 aarch64)
$(call one_of,FLAVOUR,debug release bench)
$(call one_of,COMPILER,clang gcc)
$(call one_of,V,0 1)

# out/ARCH holds the default build; every other combination has a directory of its own.
OUT := out/$(ARCH)
ifneq ($(FLAVOUR)$(COMPILER),debugclang)
OUT := $(OUT)-$(FLAVOUR)
endif
ifneq ($(COMPILER),clang)
OUT := $(OUT)-$(COMPILER)
endif
GEN := $(OUT)/gen

CONFIG_debug   := CONFIG_DEBUG CONFIG_SHELL CONFIG_TESTS
CONFIG_bench   := CONFIG_TESTS
CONFIG_release :=
CONFIG         := $(CONFIG_$(FLAVOUR))

# What `make build` makes; each build/*.mk adds to it.
BUILD_PRODUCTS :=

Q := $(if $(filter 1,$(V)),,@)
# $(call say,VERB,FILE): one line for each thing made.
say = @printf '  %-8s %s\n' '$(1)' '$(2)'
