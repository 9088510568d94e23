# The kernel links with a table of its own functions (kernel/debug/symbols.c), made by tools/ksyms: link
# with an empty table, read the addresses, link with the full one, and go on until the addresses that went
# in are those that came out. As code lies before constants, that is after the second link.
KSYMS       := out/host/ksyms
KSYMS_TABLE := $(GEN)/ksyms_table

define link_with_symbols
$(Q)set -e; table=$(KSYMS_TABLE); \
	link() { $(CC) $(KERNEL_CFLAGS) -c -o $$table.o $$table.c; \
		$(LLD) $(LINK_FLAGS) -T $(KERNEL_SCRIPT) -o $@.part $(KERNEL_OBJECTS) $$table.o; }; \
	$(KSYMS) --empty >$$table.c; link; \
	for pass in 2 3 4; do \
		$(KSYMS) $@.part >$$table.next; \
		if cmp -s $$table.next $$table.c; then mv $@.part $@; rm $$table.next; exit 0; fi; \
		mv $$table.next $$table.c; link; \
	done; \
	echo 'ksyms: the symbol table does not settle' >&2; exit 1
endef
