# Every document X.md as out/docs/X.html, and the list of commands. Links between documents lead to
# the HTML; README's links to folders lead out of out/docs, to the folders.
DOCS := $(sort $(shell find docs -name '*.md')) README.md CHANGELOG.md CONTRIBUTING.md

.PHONY: docs help
docs: $(patsubst %.md,out/docs/%.html,$(DOCS))

out/docs/%.html: %.md | $$(dir $$@).
	$(call say,DOC,$@)
	$(Q)sed -E -e 's/\]\(([^):#]*)\.md(#[^)]*)?\)/](\1.html\2)/g' \
		-e 's,\]\(([A-Za-z/]+)\),](../../\1),g' $< | pandoc --from gfm --to html5 --standalone \
		--metadata title="$$(sed -n 's/^# //p' $< | head -1)" -o $@

help:
	@sed 's/^    make/make/' build/help.txt
