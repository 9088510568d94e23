# The suite. tests/run knows the tests, builds what each needs and counts.
.PHONY: test check stress bench
test:
	$(Q)tests/run $(if $(SEED),--seed $(SEED)) $(T)

check:
	$(Q)tests/run --fast $(T)

stress:
	$(Q)tests/run --stress $(SECONDS) --arch $(ARCH) --smp $(if $(filter command,$(origin SMP)),$(SMP),4) $(if $(SEED),--seed $(SEED))

bench:
	$(Q)tests/bench/run $(if $(filter command%,$(firstword $(origin ARCH))),$(ARCH),x86_64 aarch64) $(if $(T),--only $(T))
