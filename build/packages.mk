# Before anything else: are the commands there that the goals need? tools/ensure-packages installs what
# is missing or names it. A stamp for each version of that tool and each group makes this cheap.
GROUPS_help     :=
GROUPS_clean    :=
GROUPS_qemu     :=
GROUPS_packages := build media run check test bench gdb docs
GROUPS_build    := build
GROUPS_ports    := build
GROUPS_run      := build run
GROUPS_gdb      := build run gdb
GROUPS_iso      := build media
GROUPS_image    := build media
GROUPS_unit     := build check
GROUPS_unit-linux := build check
GROUPS_fuzzers  := build check
GROUPS_host-units   := build check
GROUPS_host-fuzzers := build check
GROUPS_check    := build media check
GROUPS_test     := build media run check test gdb
GROUPS_stress   := build run
GROUPS_bench    := build run bench
GROUPS_docs     := docs

GOALS  := $(or $(MAKECMDGOALS),build)
NEEDED := $(sort $(foreach g,$(GOALS),$(if $(filter undefined,$(origin GROUPS_$(g))),build,$(GROUPS_$(g)))))
STAMP  := out/.packages-$(firstword $(shell cksum tools/ensure-packages))
NEEDED := $(strip $(foreach g,$(NEEDED),$(if $(wildcard $(STAMP)-$(g)),,$(g))))

ifneq ($(NEEDED),)
ifneq ($(lastword $(shell tools/ensure-packages $(NEEDED) >&2; echo $$?)),0)
$(error packages are missing (see above))
endif
$(shell mkdir -p out && touch $(addprefix $(STAMP)-,$(NEEDED)))
endif

.PHONY: packages
packages:
	@echo 'Every package is there.'
