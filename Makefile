# SPDX-License-Identifier: GPL-2.0-only
#
#   make            the program: out/smtpward
#   make check      unit tests and golden policies, also under ASan and UBSan; no root
#   make clean
#
# scripts/test installs what is missing and runs everything; scripts/run runs it.

VERSION := 0.1.0

OUT := out
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config

WARNINGS := -Wall -Wextra -Werror -Wno-unused-parameter -Wmissing-prototypes -Wshadow \
	-Wstrict-prototypes -Wundef -Wformat=2
HARDENING := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE
CFLAGS ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -DSMTPWARD_VERSION='"$(VERSION)"' -Iinclude -Iuser -I$(OUT)
C_FLAGS := -std=gnu11 $(WARNINGS) -MMD -MP
LINK_FLAGS := -pie -Wl,-z,relro,-z,now

LIBS := libbpf libelf zlib jansson
LIB_FLAGS = $(shell $(PKG_CONFIG) --libs $(LIBS))

# clang for BPF does not look into the multiarch directory, where asm/types.h is.
MULTIARCH := $(shell $(CC) -print-multiarch)
BPF_FLAGS = -g -O2 -target bpf -mcpu=v2 -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter \
	-MMD -MP -MT $@ -MF $@.d -Iinclude -I/usr/include/$(MULTIARCH)

SOURCES := $(wildcard user/*.c)
OBJECTS := $(SOURCES:user/%.c=$(OUT)/user/%.o)

.PHONY: all check clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(OUT)/smtpward

$(OUT)/smtpward: $(OBJECTS)
	$(CC) $(CFLAGS) $(LINK_FLAGS) $(LDFLAGS) -o $@ $^ $(LIB_FLAGS)

$(OUT)/user/%.o: user/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(C_FLAGS) $(HARDENING) $(CFLAGS) -c -o $@ $<

# The skeleton has the object's bytes and its maps' and programs' names.
$(OUT)/user/loader.o: $(OUT)/smtpward.skel.h

$(OUT)/smtpward.skel.h: $(OUT)/smtpward.bpf.o
	$(BPFTOOL) gen skeleton $< name smtpward_bpf > $@

$(OUT)/smtpward.bpf.o: bpf/smtpward.bpf.c Makefile
	@mkdir -p $(@D)
	$(CLANG) $(BPF_FLAGS) -c -o $@.full $<
	$(BPFTOOL) gen object $@ $@.full

clean:
	rm -rf $(OUT)

-include $(wildcard $(OUT)/*.d $(OUT)/*/*.d)
