# Included by ports/NAME/build.mk of a plain library: OBJECTS from .c files below SOURCE, one archive, and
# headers. The port says LIBRARY, HEADERS and SOURCES (below SOURCE), and DEFINES.
MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDEXPANSION:

OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(SOURCES))

all: $(SYSROOT)/lib/$(LIBRARY)

$(OBJECTS): $(firstword $(MAKEFILE_LIST))
$(BUILD)/%.o: $(SOURCE)/%.c | $$(dir $$@).
	@$(CC) $(FLAGS) $(SYSTEM) -std=gnu17 -w $(DEFINES) -MMD -MP -c -o $@ $<

$(SYSROOT)/lib/$(LIBRARY): $(OBJECTS) | $$(dir $$@). $(SYSROOT)/include/.
	@rm -f $@
	@cp $(addprefix $(SOURCE)/,$(HEADERS)) $(SYSROOT)/include/
	@llvm-ar rcsD $@ $(OBJECTS)

%/.:
	@mkdir -p $@

.PRECIOUS: %/.
-include $(OBJECTS:.o=.d)
