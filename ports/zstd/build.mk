# zstd without its compressor, threads, assembly and the formats before 1.0.
LIBRARY := libzstd.a
HEADERS := lib/zstd.h lib/zstd_errors.h
SOURCES := $(addprefix lib/common/,debug.c entropy_common.c error_private.c fse_decompress.c xxhash.c \
	zstd_common.c) $(addprefix lib/decompress/,huf_decompress.c zstd_ddict.c zstd_decompress.c \
	zstd_decompress_block.c)
DEFINES := -DZSTD_LEGACY_SUPPORT=0 -DZSTD_DISABLE_ASM=1 -DZSTD_TRACE=0 -DXXH_NAMESPACE=ZSTD_ -DDEBUGLEVEL=0

include build/port.mk
