# cJSON: its parser recurses, so the depth that it follows is bounded here.
LIBRARY := libcjson.a
HEADERS := cJSON.h
SOURCES := cJSON.c
DEFINES := -DCJSON_NESTING_LIMIT=64 -DCJSON_HIDE_SYMBOLS

include build/port.mk
