# The suite. tests/run knows the tests, builds what each needs and counts. T is a pattern for it, not
# for the shell: set -f.
.PHONY: test check stress fuzz mutate bench
test:
	$(Q)set -f; tests/run $(if $(SEED),--seed $(SEED)) $(T)

check:
	$(Q)set -f; tests/run --fast $(T)

stress:
	$(Q)tests/run --stress $(SECONDS) --arch $(ARCH) --smp $(if $(filter command,$(origin SMP)),$(SMP),4) $(if $(SEED),--seed $(SEED))

fuzz:
	$(Q)tests/run --fuzz $(SECONDS) --arch $(ARCH) --smp $(if $(filter command,$(origin SMP)),$(SMP),2) $(if $(SEED),--seed $(SEED))

mutate:
	$(Q)set -f; tests/mutate/run $(T)

bench:
	$(Q)set -f; tests/bench/run $(if $(filter command%,$(firstword $(origin ARCH))),$(ARCH),x86_64 aarch64) $(if $(T),--only $(T))

# Everything that runs as an ordinary program, by name, for tests/run. Other files add to the lists.
HOST_UNITS   += $(if $(wildcard build/host.mk),out/host/unit)
HOST_FUZZERS += $(FUZZERS) out/host/fuzz-canary

.PHONY: host-units host-fuzzers
host-units: $(HOST_UNITS)
	@printf '%s\n' $^
host-fuzzers: $(HOST_FUZZERS)
	@printf '%s\n' $^

out/host/fuzz-canary: tests/fuzz/canary_fuzz.c | out/host/.
	$(call say,HOSTCC,$@)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -fsanitize=address,undefined,fuzzer -fno-sanitize-recover=all -o $@ $<
