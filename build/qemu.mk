# The one place that knows how QEMU is started. MODE=test adds the device that ends it with an exit
# code; MODE=bench counts instructions as time on one fixed CPU model. The test runner asks here too.
DIRECT := $(OUT)/themelios-direct

QEMU_x86_64  := qemu-system-x86_64 -machine q35
QEMU_aarch64 := qemu-system-aarch64 -machine virt,gic-version=$(GIC)
QEMU_EXIT_x86_64  := -device isa-debug-exit,iobase=0xf4,iosize=0x04
QEMU_EXIT_aarch64 := -semihosting-config enable=on,target=native
QEMU_SCREEN_x86_64  := -device VGA
QEMU_SCREEN_aarch64 := -device ramfb
# Byte-wise string instructions would count once for each byte (see docs/howto/benchmark.md).
QEMU_BENCH_CPU_x86_64  := max,erms=off,fsrm=off
QEMU_BENCH_CPU_aarch64 := cortex-a72

QEMU := $(QEMU_$(ARCH)) -m $(MEM) -nodefaults -no-reboot
ifeq ($(MODE),bench)
QEMU += -accel tcg -cpu $(QEMU_BENCH_CPU_$(ARCH)) -smp $(SMP) -icount shift=0,sleep=off
else
QEMU += -accel $(ACCEL) -cpu max -smp $(SMP)
endif
ifeq ($(MODE),run)
QEMU += -serial mon:stdio
else
QEMU += -serial stdio -monitor none $(QEMU_EXIT_$(ARCH))
endif
ifeq ($(DISPLAY),1)
QEMU += $(QEMU_SCREEN_$(ARCH))
else
QEMU += -display none
endif
QEMU_DIRECT = $(QEMU) -kernel $(DIRECT) $(if $(APPEND),-append '$(APPEND)')

.PHONY: qemu run gdb
qemu:
	@printf '%s\n' "$(subst ",\",$(QEMU_DIRECT))"

# Containers: IMAGE= names archives (docker save, OCI layout), several with blanks in between; without one
# the distribution's static busybox is made into one. The tool ends with the container's status, which make
# prints and turns into 2.
# A word of the shell's, whatever is in it.
quoted = '$(subst ','\'',$(1))'
RUN_OPTIONS = --arch $(ARCH) $(addprefix --image ,$(IMAGE)) $(if $(CMD),--cmd $(call quoted,$(CMD))) \
	$(if $(ENV),--env $(call quoted,$(ENV))) \
	$(if $(MEMORY),--memory $(MEMORY)) $(if $(ISOLATION),--isolation $(ISOLATION))

run: build out/host/mkbundle
	@echo 'Ctrl-A x ends the emulator.'
	$(Q)tools/run-containers/run $(RUN_OPTIONS) -- $(QEMU_DIRECT)

# The machine waits; the debugger connects, knows the symbols and continues from the kernel's entry.
gdb: build
	$(Q)$(subst -serial mon:stdio,-serial file:$(OUT)/serial.log,$(QEMU_DIRECT)) -S -gdb tcp:127.0.0.1:$(GDB_PORT) & \
	echo $$! >$(OUT)/qemu.pid; \
	gdb-multiarch -q -ex 'target remote 127.0.0.1:$(GDB_PORT)' -ex 'hbreak kernel_main' -ex continue \
		$(OUT)/themelios.debug; kill $$(cat $(OUT)/qemu.pid) 2>/dev/null || true
