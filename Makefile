# ThemeliOS. `make help` lists what can be done; the rules are in build/*.mk.
MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDEXPANSION:
.DEFAULT_GOAL := build
SHELL         := /bin/sh

include build/config.mk
include build/toolchain.mk
-include build/packages.mk
include build/tools.mk
include build/abi.mk
include build/kernel.mk
-include build/boot.mk
-include build/media.mk
include build/ports.mk
-include build/host.mk
include build/service.mk
-include build/linux.mk
-include build/system.mk
-include build/qemu.mk
-include build/test.mk
-include build/docs.mk

.PHONY: build clean
build: $(BUILD_PRODUCTS)

clean:
	rm -rf out compile_commands.json
