# docs/*.md to out/docs/*.html, and the list of commands.
DOCS := $(sort $(shell find docs -name '*.md')) README.md CHANGELOG.md CONTRIBUTING.md
DOCS := $(wildcard $(DOCS))

.PHONY: docs help
docs: $(patsubst %.md,out/docs/%.html,$(DOCS))

out/docs/%.html: %.md | $$(dir $$@).
	$(call say,DOC,$@)
	$(Q)sed -E 's/\]\(([^):#]*)\.md(#[^)]*)?\)/](\1.html\2)/g' $< | pandoc --from gfm --to html5 --standalone \
		--metadata title="$$(sed -n 's/^# //p' $< | head -1)" -o $@

help:
	@sed 's/^    make/make/' build/help.txt
