# zlib without its compressor and without files.
LIBRARY := libz.a
HEADERS := zlib.h zconf.h
SOURCES := adler32.c crc32.c inffast.c inflate.c inftrees.c zutil.c
DEFINES := -DHAVE_HIDDEN

include build/port.mk
