# What can be put into a machine: the UEFI application, the ISO and the raw disk. Nobody needs to be
# root, nothing is mounted, and the same tree gives the same bytes: every date is MEDIA_EPOCH, every
# identity a constant.
MEDIA       := $(OUT)/media
MEDIA_EPOCH := 1767225600
MEDIA_LABEL := THEMELIOS
MEDIA_FAT_ID := 7e3e1105
MEDIA_ENV   := SOURCE_DATE_EPOCH=$(MEDIA_EPOCH) TZ=UTC MTOOLS_SKIP_CHECK=1
ISO         := $(OUT)/themelios.iso
DISK        := $(OUT)/themelios.img
MODULE      := $(OUT)/system.erofs

# --- The loader as a UEFI application: clang's PE target, whichever compiler builds the rest.
UEFI_NAME_x86_64  := BOOTX64.EFI
UEFI_NAME_aarch64 := BOOTAA64.EFI
UEFI         := $(MEDIA)/$(UEFI_NAME_$(ARCH))
UEFI_CC      := clang --target=$(ARCH)-unknown-windows
# Everything of boot/common but the volumes in memory.
UEFI_SOURCES := $(filter-out boot/common/direct.c boot/common/cpio.c,$(call plain,$(sort \
	$(wildcard boot/uefi/*.c boot/uefi/$(ARCH)/*.c boot/common/*.c boot/common/$(ARCH)/*.[cS] \
	lib/base/fmt.c lib/base/string.c lib/base/status.c lib/elf/elf.c lib/digest/sha256.c))))
UEFI_OBJECTS := $(patsubst %,$(OUT)/uefi/%.o,$(UEFI_SOURCES))
# No stack probes: their helper belongs to the Windows runtime, and no frame here needs one.
UEFI_CFLAGS  := -std=gnu17 -ffreestanding -O2 -fno-common -fno-stack-protector -fno-strict-aliasing \
	-mno-stack-arg-probe -mgeneral-regs-only $(REPRODUCIBLE) $(filter-out -Wthread-safety,$(WARNINGS)) \
	-Wframe-larger-than=2048 -Iabi -Ilib/base/include -Ilib/elf/include -Ilib/digest/include -Iboot/common/include -Iboot/uefi
UEFI_LDFLAGS := -nostdlib -fuse-ld=lld -Wl,-subsystem:efi_application -Wl,-entry:efi_main -Wl,-Brepro

$(OUT)/uefi/%.o: % $(FLAGS_STAMP) build/media.mk | $$(dir $$@).
	$(call say,CC,$<)
	$(Q)$(UEFI_CC) $(UEFI_CFLAGS) -MMD -MP $(call database,$@) -c -o $@ $<

$(UEFI): $(UEFI_OBJECTS) | $$(dir $$@).
	$(call say,LD,$@)
	$(Q)$(UEFI_CC) $(UEFI_LDFLAGS) -o $@ $^

# The loader is checked by the same tools whether or not a medium is made of it.
ifeq ($(COMPILER),clang)
$(OUT)/compile_commands.json: $(UEFI_OBJECTS)
endif

-include $(UEFI_OBJECTS:.o=.d)

# --- The configuration: one template for every way of booting, with the module's digest.
LIMINE_CONF := $(OUT)/limine.conf

$(LIMINE_CONF): system/limine.conf $(MODULE)
	$(call say,GEN,$@)
	$(Q)digest=$$(b2sum $(MODULE) | cut -d' ' -f1) && sed -e "s/@BLAKE2B@/$$digest/" $< >$@

# --- FAT images. $(call fat,IMAGE,PATH:FILE...): as large as it must be, and a megabyte.
define fat
$(Q)rm -f $(1)
$(Q)kib=$$(du -kc --apparent-size $(foreach p,$(2),$(lastword $(subst :, ,$(p)))) | tail -1 | cut -f1) && \
	$(MEDIA_ENV) mformat -i $(1) -C -T $$(((kib / 1024 + 4) * 2048)) -h 64 -s 32 \
		-v $(MEDIA_LABEL) -N $(MEDIA_FAT_ID) ::
$(Q)$(MEDIA_ENV) mmd -i $(1) ::/EFI ::/EFI/BOOT ::/boot
$(Q)$(foreach p,$(2),$(MEDIA_ENV) mcopy -i $(1) $(lastword $(subst :, ,$(p))) ::$(firstword $(subst :, ,$(p))) && ):
endef

MEDIA_FILES := /EFI/BOOT/$(UEFI_NAME_$(ARCH)):$(UEFI) /boot/limine.conf:$(LIMINE_CONF) \
	/boot/themelios:$(KERNEL) /boot/system.erofs:$(MODULE)

$(MEDIA)/efi.img: $(UEFI) $(LIMINE_CONF) $(KERNEL) $(MODULE) build/media.mk | $$(dir $$@).
	$(call say,FAT,$@)
	$(call fat,$@,$(MEDIA_FILES))

# --- The raw disk: the same file system as a GPT disk's only partition.
$(DISK): $(MEDIA)/efi.img out/host/mkgpt
	$(call say,GPT,$@)
	$(Q)out/host/mkgpt $< $@

# --- For BIOS: GRUB's core starts the loader by Multiboot2. This loader has no bundle: its files are
# those of the UEFI volume, which lies on the disc as boot/efi.img and which GRUB looks into.
GRUB_DIRECTORY := /usr/lib/grub/i386-pc
GRUB_MODULES   := biosdisk iso9660 loopback fat multiboot2 echo halt serial terminal
MEDIA_BUNDLE   := $(OUT)/boot/boot/common/bundle.S.o

$(MEDIA)/grub.img: build/grub.cfg build/media.mk | $$(dir $$@).
	$(call say,GRUB,$@)
	$(Q)grub-mkimage -O i386-pc-eltorito -d $(GRUB_DIRECTORY) -p /boot/grub -c $< -o $@ $(GRUB_MODULES)

$(MEDIA)/no-bundle.o: boot/common/bundle.S $(FLAGS_STAMP) | $$(dir $$@).
	$(Q): >$(MEDIA)/empty
	$(Q)$(CC) $(BOOT_CFLAGS) $(BOOT_INCLUDES) -DBUNDLE='"$(MEDIA)/empty"' -c -o $@ $<

$(MEDIA)/loader: $(filter-out $(MEDIA_BUNDLE),$(BOOT_OBJECTS)) $(MEDIA)/no-bundle.o $(BOOT_SCRIPT)
	$(call say,LD,$@)
	$(Q)$(LLD) $(LINK_FLAGS) --strip-all -T $(BOOT_SCRIPT) -o $@ $(filter %.o,$^)

# --- The ISO. Its tree is staged with fixed dates; xorriso takes every other one from MEDIA_ENV.
ISO_COMMON := -as mkisofs -quiet -r -J -V $(MEDIA_LABEL) --set_all_file_dates set_to_mtime
ISO_UEFI    = -e $(1) -no-emul-boot -efi-boot-part --efi-boot-image --protective-msdos-label
ISO_BIOS   := -b boot/grub.img -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info \
	--grub2-mbr $(GRUB_DIRECTORY)/boot_hybrid.img -eltorito-alt-boot

ISO_FILES_x86_64 := boot/loader:$(MEDIA)/loader boot/grub.img:$(MEDIA)/grub.img
ISO_FILES := boot/efi.img:$(MEDIA)/efi.img $(ISO_FILES_$(ARCH))
ISO_BOOT_x86_64 := $(ISO_BIOS)

# $(call iso,TREE,IMAGE,PATH:FILE...,OPTIONS)
define iso
$(Q)rm -rf $(1) $(2)
$(Q)$(foreach p,$(3),install -D -m 0644 $(lastword $(subst :, ,$(p))) $(1)/$(firstword $(subst :, ,$(p))) && ):
$(Q)find $(1) -exec touch -h -d @$(MEDIA_EPOCH) {} +
$(Q)$(MEDIA_ENV) xorriso $(ISO_COMMON) $(4) -o $(2) $(1) 2>$(2).log || { cat $(2).log >&2; exit 1; }
endef

$(MEDIA)/own.iso: $(foreach p,$(ISO_FILES),$(lastword $(subst :, ,$(p)))) build/media.mk | $$(dir $$@).
	$(call say,ISO,$@)
	$(call iso,$(MEDIA)/own,$@,$(ISO_FILES),$(ISO_BOOT_$(ARCH)) $(call ISO_UEFI,boot/efi.img))

# --- The same around Limine's own binaries, laid out as its USAGE.md says.
LIMINE_FILES_x86_64 := limine-bios.sys limine-bios-cd.bin
LIMINE_FILES := limine-uefi-cd.bin $(LIMINE_FILES_$(ARCH))
LIMINE_TREE  := $(foreach f,$(LIMINE_FILES),boot/limine/$(f):$(LIMINE_DIR)/$(f)) \
	EFI/BOOT/$(UEFI_NAME_$(ARCH)):$(LIMINE_DIR)/$(UEFI_NAME_$(ARCH)) boot/limine/limine.conf:$(LIMINE_CONF) \
	boot/themelios:$(KERNEL) boot/system.erofs:$(MODULE)
LIMINE_BOOT_x86_64 := -b boot/limine/limine-bios-cd.bin -no-emul-boot -boot-load-size 4 -boot-info-table \
	-eltorito-alt-boot

# Another directory is another ISO, even if its files are older.
$(MEDIA)/limine.directory: FORCE | $$(dir $$@).
	$(Q)printf '%s\n' '$(LIMINE_DIR)' | cmp -s - $@ || printf '%s\n' '$(LIMINE_DIR)' >$@

$(MEDIA)/limine.iso: $(MEDIA)/limine.directory $(foreach p,$(LIMINE_TREE),$(lastword $(subst :, ,$(p)))) build/media.mk | $$(dir $$@).
	$(call say,ISO,$@)
	$(call iso,$(MEDIA)/limine,$@,$(LIMINE_TREE),$(LIMINE_BOOT_$(ARCH)) \
		$(call ISO_UEFI,boot/limine/limine-uefi-cd.bin))

ifneq ($(LIMINE_DIR),)
$(LIMINE_DIR)/%:
	$(error LIMINE_DIR=$(LIMINE_DIR): $* is not there)
endif

# themelios.iso is whichever of the two was asked for last.
$(ISO): $(MEDIA)/$(if $(LIMINE_DIR),limine,own).iso FORCE
	$(Q)cmp -s $< $@ || cp $< $@

.PHONY: iso image FORCE
FORCE:
iso: $(ISO)
image: $(DISK)
