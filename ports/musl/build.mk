# musl as the C library of services: its own sources over lib/rt/posix instead of Linux. A make of its
# own, since the sources are there only after tools/fetch-port has run:
#
#     make -f ports/musl/build.mk ARCH= CC= FLAGS= SOURCE=unpacked-source BUILD=directory SYSROOT=directory
#
# Nothing of musl is changed. What is left out would only answer ENOSYS, so a program that wants it
# fails to link instead: processes, signals, users, sockets, directories, terminals, shared objects,
# cancellation. What stands in ports/musl/src replaces the file of the same path in musl.
MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDEXPANSION:

PORT := ports/musl

WHOLE := ctype env errno exit fenv internal locale malloc malloc/mallocng math multibyte prng search \
	setjmp stdio stdlib string thread time
PARTS := misc/basename misc/dirname misc/ffs misc/ffsl misc/ffsll misc/getauxval misc/getentropy \
	misc/getopt misc/getopt_long misc/getsubopt mman/madvise mman/mmap mman/mprotect mman/mremap mman/munmap \
	linux/getrandom sched/sched_yield signal/block unistd/_exit unistd/close unistd/isatty unistd/lseek \
	unistd/read unistd/readv unistd/sleep unistd/usleep unistd/write unistd/writev
LEFT_OUT := internal/procfdname stdio/popen stdio/pclose thread/clone thread/pthread_cancel \
	thread/pthread_getattr_np thread/pthread_kill thread/pthread_setname_np thread/pthread_getname_np \
	thread/sem_open thread/sem_unlink thread/syscall_cp thread/synccall thread/tls time/clock_settime \
	time/timer_create time/timer_delete time/timer_getoverrun time/timer_gettime time/timer_settime \
	time/times time/utime time/getdate

# Names without ending, below src. An architecture's own file takes the portable one's place, and ours
# takes either's.
name = $(patsubst $(2)/%,%,$(basename $(1)))
BASE := $(call name,$(wildcard $(addprefix $(SOURCE)/src/,$(addsuffix /*.c,$(WHOLE)) $(addsuffix .c,$(PARTS)))),$(SOURCE)/src)
CPU  := $(call name,$(wildcard $(addprefix $(SOURCE)/src/,$(addsuffix /$(ARCH)/*.[csS],$(WHOLE)))),$(SOURCE)/src)
OURS := $(call name,$(wildcard $(PORT)/src/*/*.c),$(PORT)/src)
without = $(filter-out $(OURS) $(LEFT_OUT),$(1))
CPU_USED := $(foreach f,$(CPU),$(if $(call without,$(subst /$(ARCH)/,/,$(f))),$(f)))
NAMES    := $(filter-out $(subst /$(ARCH)/,/,$(CPU_USED)),$(call without,$(BASE))) $(CPU_USED) $(OURS)
OBJECTS  := $(patsubst %,$(BUILD)/%.o,$(NAMES))

HEADERS_MADE := bits/alltypes.h bits/syscall.h
INSTALLED    := $(patsubst $(SOURCE)/include/%,%,$(wildcard $(SOURCE)/include/*.h $(SOURCE)/include/*/*.h)) \
	$(patsubst $(SOURCE)/arch/generic/%,%,$(wildcard $(SOURCE)/arch/generic/bits/*.h)) \
	$(patsubst $(SOURCE)/arch/$(ARCH)/%,%,$(wildcard $(SOURCE)/arch/$(ARCH)/bits/*.h))
INSTALLED    := $(addprefix $(SYSROOT)/include/,$(sort $(filter-out alltypes.h.in,$(INSTALLED)) $(HEADERS_MADE)))

CFLAGS := $(FLAGS) -std=c99 -nostdinc -ffreestanding -frounding-math -D_XOPEN_SOURCE=700 -w
INCLUDES := -I$(PORT)/include -I$(SOURCE)/arch/$(ARCH) -I$(SOURCE)/arch/generic -I$(BUILD)/internal \
	-I$(SOURCE)/src/include -I$(SOURCE)/src/internal -I$(SYSROOT)/include
COMPILE = $(CC) $(CFLAGS) $(INCLUDES) -MMD -MP -c -o $@ $<

all: $(SYSROOT)/lib/libc.a

$(SYSROOT)/include/bits/alltypes.h: $(SOURCE)/arch/$(ARCH)/bits/alltypes.h.in $(SOURCE)/include/alltypes.h.in | $$(dir $$@).
	@sed -f $(SOURCE)/tools/mkalltypes.sed $^ >$@
$(SYSROOT)/include/bits/syscall.h: $(SOURCE)/arch/$(ARCH)/bits/syscall.h.in | $$(dir $$@).
	@{ cat $<; sed -n 's/__NR_/SYS_/p' $<; } >$@
$(SYSROOT)/include/%.h: $(SOURCE)/arch/$(ARCH)/%.h | $$(dir $$@).
	@cp $< $@
$(SYSROOT)/include/%.h: $(SOURCE)/arch/generic/%.h | $$(dir $$@).
	@cp $< $@
$(SYSROOT)/include/%.h: $(SOURCE)/include/%.h | $$(dir $$@).
	@cp $< $@
$(BUILD)/internal/version.h: $(SOURCE)/VERSION | $$(dir $$@).
	@printf '#define VERSION "%s"\n' "$$(cat $<)" >$@

$(OBJECTS): $(INSTALLED) $(BUILD)/internal/version.h $(PORT)/build.mk
$(BUILD)/%.o: $(PORT)/src/%.c | $$(dir $$@).
	@$(COMPILE)
$(BUILD)/%.o: $(SOURCE)/src/%.c | $$(dir $$@).
	@$(COMPILE)
$(BUILD)/%.o: $(SOURCE)/src/%.s | $$(dir $$@).
	@$(COMPILE)
$(BUILD)/%.o: $(SOURCE)/src/%.S | $$(dir $$@).
	@$(COMPILE)

$(SYSROOT)/lib/libc.a: $(OBJECTS) | $$(dir $$@).
	@rm -f $@
	@llvm-ar rcsD $@ $(OBJECTS)

%/.:
	@mkdir -p $@

.PRECIOUS: %/.
-include $(OBJECTS:.o=.d)
