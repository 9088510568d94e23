# Compilers and flags, for the kernel, for programs in user mode, and for tools that run on the host.
CLANG_TARGET := $(ARCH)-unknown-none-elf
LLD          := ld.lld
OBJCOPY      := llvm-objcopy
NM           := llvm-nm
HOSTCC       ?= clang

ifeq ($(COMPILER),clang)
CC := clang --target=$(CLANG_TARGET)
# $(call database,OBJECT): the fragment of compile_commands.json for one object.
database = -MJ $(1).json
else
CC       := $(if $(filter $(ARCH),$(shell uname -m)),gcc,$(ARCH)-linux-gnu-gcc)
database :=
endif

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wundef -Wvla -Wimplicit-fallthrough -Wcast-qual -Wpointer-arith -Wformat=2 -Wwrite-strings
ifeq ($(COMPILER),clang)
WARNINGS += -Wthread-safety
endif

# The same tree gives the same bytes wherever it lies: no absolute path, no date, no build id. Objects
# made of assembly need their own word for that.
REPRODUCIBLE := -ffile-prefix-map=$(CURDIR)=. -Werror=date-time
ifeq ($(COMPILER),clang)
REPRODUCIBLE += -fdebug-compilation-dir=.
endif

TARGET_CFLAGS := -std=gnu17 -ffreestanding -O2 -g -fno-omit-frame-pointer -fno-common \
	-fno-stack-protector -fno-strict-aliasing -fno-asynchronous-unwind-tables -fno-pic -fno-pie \
	-ffunction-sections -fdata-sections $(REPRODUCIBLE)
ifeq ($(COMPILER),gcc)
TARGET_CFLAGS += -fcf-protection=none
ifeq ($(ARCH),aarch64)
TARGET_CFLAGS := $(filter-out -fcf-protection=none,$(TARGET_CFLAGS)) -mno-outline-atomics
endif
endif

KERNEL_CFLAGS_x86_64  := -mcmodel=kernel -mno-red-zone -mgeneral-regs-only
KERNEL_CFLAGS_aarch64 := -mgeneral-regs-only
KERNEL_CFLAGS := $(TARGET_CFLAGS) $(WARNINGS) -Wframe-larger-than=2048 \
	$(KERNEL_CFLAGS_$(ARCH)) $(addprefix -D,$(addsuffix =1,$(CONFIG)))
KERNEL_INCLUDES := -Iabi -Ilib/base/include -Ikernel/include -Ikernel/arch/$(ARCH)/include -I$(GEN)

# Programs are linked wherever they are to lie.
USER_CFLAGS_x86_64 := -fpie
USER_CFLAGS   := $(TARGET_CFLAGS) $(USER_CFLAGS_$(ARCH)) $(WARNINGS)
USER_INCLUDES := -Iabi -Ilib/base/include -Ilib/fs/include -Ilib/digest/include -Ilib/elf/include -Ilib/manifest/include -Ilib/program/include -Ilib/rt/include -Ilib/rt/arch/$(ARCH)/include -I$(GEN)

HOST_CFLAGS := -std=gnu17 -O1 -g $(WARNINGS)

LINK_FLAGS := -static -nostdlib --gc-sections --build-id=none -z max-page-size=4096 --no-dynamic-linker \
	--fatal-warnings

# A file that changes only when the commands would: everything compiled depends on it.
FLAGS_STAMP := $(OUT)/flags
FLAGS_TEXT  := $(CC) $(KERNEL_CFLAGS) $(KERNEL_INCLUDES) $(USER_CFLAGS) $(LINK_FLAGS)
$(shell mkdir -p $(OUT) && { printf '%s\n' '$(FLAGS_TEXT)' | cmp -s - $(FLAGS_STAMP) || \
	printf '%s\n' '$(FLAGS_TEXT)' >$(FLAGS_STAMP); })
