# What the caller may set. An unknown value or name is an error, never a silent default.
ARCH     ?= x86_64
FLAVOUR  ?= debug
COMPILER ?= clang
ACCEL    ?= tcg
SMP      ?= 2
MEM      ?= 512M
GIC      ?= 3
V        ?= 0
# Desktops export DISPLAY, which is not meant for us.
ifeq ($(origin DISPLAY),environment)
override DISPLAY :=
endif
DISPLAY    ?=
LIMINE_DIR ?=
APPEND     ?=
MODE       ?= run
T          ?=
SEED       ?=
SECONDS    ?= 120
GDB_PORT   ?= 1234

PARAMETERS := ARCH FLAVOUR COMPILER ACCEL SMP MEM GIC V DISPLAY LIMINE_DIR APPEND MODE T SEED SECONDS GDB_PORT HOSTCC IMAGE CMD ENV MEMORY ISOLATION

$(foreach v,$(.VARIABLES),$(if $(filter command line,$(subst command_line,command line,$(subst \
	command line,command_line,$(origin $(v))))),$(if $(filter $(PARAMETERS),$(v)),,$(if $(filter \
	-%,$(v)),,$(error $(v): no such parameter; there are: $(PARAMETERS))))))

one_of = $(if $(filter $(words $($(1))):$($(1)),$(addprefix 1:,$(2))),,$(error $(1)=$($(1)): must be one of: $(2)))
number = $(if $(shell printf '%s\n' '$($(1))' | grep -xE '$(2)'),,$(error $(1)=$($(1)): must be $(3)))
$(call one_of,ARCH,x86_64 aarch64)
$(call one_of,FLAVOUR,debug release bench)
$(call one_of,COMPILER,clang gcc)
$(call one_of,ACCEL,tcg kvm)
$(call one_of,GIC,2 3)
$(call one_of,V,0 1)
$(call one_of,MODE,run test bench)
$(if $(DISPLAY),$(call one_of,DISPLAY,0 1))
ifneq ($(SMP),2)
$(call number,SMP,[1-9][0-9]?,a number of CPUs from 1 to 99)
endif
ifneq ($(MEM),512M)
$(call number,MEM,[1-9][0-9]*[MG],a size such as 512M or 2G)
endif
ifneq ($(SEED),)
$(call number,SEED,[1-9][0-9]*,a positive number)
endif
ifneq ($(SECONDS),120)
$(call number,SECONDS,[1-9][0-9]*,a positive number)
endif

VERSION := $(shell cat VERSION)

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
# $(call say,VERB,FILE): one line for each thing made; nothing under make -s.
SILENT := $(findstring s,$(firstword -$(filter-out -%,$(MAKEFLAGS))))
say = $(if $(SILENT),@:,@printf '  %-8s %s\n' '$(1)' '$(2)')
