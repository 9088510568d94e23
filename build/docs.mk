# Every document X.md as out/docs/X.html, and the list of commands. Links between documents lead to
# the HTML; README's links to folders lead out of out/docs, to the folders.
DOCS := $(sort $(shell find docs -name '*.md')) README.md CHANGELOG.md CONTRIBUTING.md

.PHONY: docs help
docs: $(patsubst %.md,out/docs/%.html,$(DOCS)) $(patsubst %.md,$(REFERENCE)/%.html,$(ABI_DOCS) linux-calls.md)

# $(call document,MARKDOWN,HTML)
define document
$(Q)sed -E -e 's/\]\(([^):#]*)\.md(#[^)]*)?\)/](\1.html\2)/g' \
		-e 's,\]\(([A-Za-z/]+)\),](../../\1),g' $(1) | pandoc --from gfm --to html5 --standalone \
		--metadata title="$$(sed -n 's/^# //p' $(1) | head -1)" -o $(2)
endef

out/docs/%.html: %.md | $$(dir $$@).
	$(call say,DOC,$@)
	$(call document,$<,$@)

# The reference is made, not written.
$(REFERENCE)/%.html: $(REFERENCE)/%.md
	$(call say,DOC,$@)
	$(call document,$<,$@)

help:
	@sed 's/^    make/make/' build/help.txt
