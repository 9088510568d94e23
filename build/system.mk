# system.erofs: the immutable root, staged from what the tree installs. The same tree gives the same
# bytes: dates, owners and the volume id are fixed. Programs are whole pages long: what ends within a
# block may lie beside its inode, where it could not be mapped.
SYSTEM_IMAGE := $(OUT)/system.erofs
SYSTEM_TREE  := $(OUT)/system
# "PATH-IN-IMAGE:FILE" words; a service adds its own.
SYSTEM_FILES += system/system.conf:system/system.conf

$(SYSTEM_IMAGE): VERSION $(foreach f,$(SYSTEM_FILES),$(lastword $(subst :, ,$(f)))) $(FLAGS_STAMP)
	$(call say,EROFS,$@)
	$(Q)rm -rf $(SYSTEM_TREE) && mkdir -p $(SYSTEM_TREE)/system
	$(Q)printf 'name=ThemeliOS\nversion=%s\narch=%s\n' '$(VERSION)' '$(ARCH)' >$(SYSTEM_TREE)/system/release
	$(Q)for pair in $(SYSTEM_FILES); do install -D -m 0755 "$${pair#*:}" "$(SYSTEM_TREE)/$${pair%%:*}"; done
	$(Q)cd $(SYSTEM_TREE) && for program in bin/*; do truncate -s %4096 "$$program"; done
	$(Q)chmod -R u=rwX,go=rX $(SYSTEM_TREE)
	$(Q)mkfs.erofs --quiet -T0 --all-root -U 5d1ac46e-7b4e-4a0e-9c57-3f6f7c0a1e52 $@ $(SYSTEM_TREE)

BUILD_PRODUCTS += $(SYSTEM_IMAGE)
