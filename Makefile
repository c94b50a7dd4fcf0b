# SPDX-License-Identifier: GPL-2.0-only
#
#   make            the program: out/smtpward
#   make tests      the test programs: out/tests/
#   make SANITIZE=1 the same under ASan and UBSan, in out/sanitized/
#   make bench      measures it beside what people use today (root), into out/bench/
#   make install    with DESTDIR, PREFIX and the directories below
#   make uninstall  what install put there, but for a policy that was changed since
#   make deb        the Debian package, in out/
#   make clean
#
# For another architecture, into a directory of its own:
#   make CC=aarch64-linux-gnu-gcc PKG_CONFIG=aarch64-linux-gnu-pkg-config OUT=out/arm64
#
# scripts/run installs what is missing, builds and runs the program; scripts/test
# does so with the tests.

VERSION := 0.1.0

# Not git's own choice of a length, which grows with the repository. No commit where
# there is no git, or the tree is a copy in somebody else's repository.
ifeq ($(origin SMTPWARD_COMMIT),undefined)
SMTPWARD_COMMIT := $(shell git --git-dir=.git --no-optional-locks describe --always --dirty \
	--exclude='*' --abbrev=10 2>/dev/null)
endif

# Where things go. sysconfdir and localstatedir are compiled in: name the same for all targets.
DESTDIR ?=
PREFIX ?= /usr/local
prefix ?= $(PREFIX)
exec_prefix ?= $(prefix)
sbindir ?= $(exec_prefix)/sbin
sysconfdir ?= /etc
localstatedir ?= /var
datarootdir ?= $(prefix)/share
docdir ?= $(datarootdir)/doc/smtpward
mandir ?= $(datarootdir)/man
bashcompletiondir ?= $(datarootdir)/bash-completion/completions
systemdsystemunitdir ?= $(prefix)/lib/systemd/system
udevrulesdir ?= $(prefix)/lib/udev/rules.d
sysusersdir ?= $(prefix)/lib/sysusers.d
INSTALL ?= install

SANITIZE ?=
OUT := out$(if $(SANITIZE),/sanitized)
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config

WARNINGS := -Wall -Wextra -Werror -Wno-unused-parameter -Wmissing-prototypes -Wshadow \
	-Wstrict-prototypes -Wundef -Wformat=2
HARDENING := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE
CFLAGS ?= -O2 -g
ifneq ($(SANITIZE),)
# _FORTIFY_SOURCE hides from ASan what it wraps.
HARDENING := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -fPIE
endif
CPPFLAGS += -D_GNU_SOURCE -Iinclude -Iuser -I$(OUT)

# The same bytes from the same tree, wherever it is.
ANYWHERE := -ffile-prefix-map=$(CURDIR)=.
C_FLAGS := -std=gnu11 $(WARNINGS) $(ANYWHERE) -MMD -MP
LINK_FLAGS = -pie -Wl,--as-needed -Wl,-z,relro,-z,now $(filter -fsanitize=%,$(HARDENING))

LIBS := libbpf libelf zlib jansson libmd
LIB_FLAGS = $(shell $(PKG_CONFIG) --libs $(LIBS))

# clang for BPF looks neither into the multiarch directory, where asm/types.h is, nor to
# where a cross compiler has it.
MULTIARCH := $(shell $(CC) -print-multiarch)
SYSROOT := $(patsubst %/,%,$(shell $(CC) -print-sysroot))
ASM_TYPES := $(firstword $(wildcard $(SYSROOT)/usr/include/$(MULTIARCH)/asm/types.h \
	$(SYSROOT)/usr/$(MULTIARCH)/include/asm/types.h $(SYSROOT)/usr/include/asm/types.h))
BPF_FLAGS = -g -O2 -target bpf -mcpu=v2 -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter \
	$(ANYWHERE) -MMD -MP -MT $@ -MF $@.d -Iinclude $(addprefix -idirafter ,$(ASM_TYPES:%/asm/types.h=%))

SOURCES := $(sort $(shell find user -name '*.c'))
OBJECTS := $(SOURCES:user/%.c=$(OUT)/user/%.o)

# Each test_*.c is a program: of the unit with all of the product but its main(),
# of the kernel with the fixtures of tests/kernel, the product as a process and, out of the
# archive, its reader of lines.
UNIT_TESTS := $(patsubst %.c,$(OUT)/%,$(wildcard tests/unit/*/test_*.c))
KERNEL_TESTS := $(patsubst %.c,$(OUT)/%,$(wildcard tests/kernel/test_*.c tests/faults/test_*.c \
	tests/upgrade/test_*.c tests/attack/test_*.c))
FIXTURES := $(patsubst %.c,$(OUT)/%.o,$(sort $(wildcard tests/kernel/fixture*.c)))

.PHONY: all tests bench install uninstall deb clean FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(OUT)/smtpward

tests: $(UNIT_TESTS) $(KERNEL_TESTS) $(OUT)/other-abi/smtpward

# The same program with another ABI, which tests/faults/test_upgrade takes over from.
OTHER_SOURCES := $(shell find bpf user include -name '*.[ch]')
$(OUT)/other-abi/smtpward: tests/faults/other-abi.sed $(OTHER_SOURCES) Makefile
	rm -rf $(@D)
	mkdir -p $(@D)/tree
	cp -a bpf user include Makefile $(@D)/tree
	sed -i -f $< $(@D)/tree/include/smtpward/abi.h $(@D)/tree/user/pins/counter.c
	$(MAKE) -C $(@D)/tree SANITIZE= OUT=..

$(OUT)/smtpward: $(OUT)/user/main.o $(OUT)/libsmtpward.a
	$(CC) $(CFLAGS) $(LINK_FLAGS) $(LDFLAGS) -o $@ $^ $(LIB_FLAGS)

$(OUT)/libsmtpward.a: $(filter-out %/main.o,$(OBJECTS))
	rm -f $@
	$(AR) rcsD $@ $^

$(UNIT_TESTS): %: %.o $(OUT)/libsmtpward.a
	$(CC) $(CFLAGS) $(LINK_FLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LIB_FLAGS)

$(KERNEL_TESTS): %: %.o $(FIXTURES) $(OUT)/libsmtpward.a
	$(CC) $(CFLAGS) $(LINK_FLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LIB_FLAGS)

$(OUT)/tests/%.o: tests/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/kernel -Itests/unit $(C_FLAGS) -Wno-format-nonliteral $(HARDENING) $(CFLAGS) -c -o $@ $<

$(OUT)/user/%.o: user/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(C_FLAGS) $(HARDENING) $(CFLAGS) -c -o $@ $<

$(OBJECTS) $(UNIT_TESTS:%=%.o): | $(OUT)/build.h $(OUT)/version.h

# What a build is told; written only where it changes, for what includes it is then old.
# The version has a header of its own, as it is another with each commit.
$(OUT)/build.h $(OUT)/version.h: FORCE
	@mkdir -p $(@D)
	@printf '#define SMTPWARD_%s "%s"\n' $(BUILD_$(basename $(@F))) >$@.$$$$; \
		if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; fi

BUILD_build = SYSCONFDIR '$(sysconfdir)' LOCALSTATEDIR '$(localstatedir)'
BUILD_version = VERSION '$(VERSION)$(if $(SMTPWARD_COMMIT), (git $(SMTPWARD_COMMIT)))'

# The skeleton has the object's bytes and its maps' and programs' names.
$(OUT)/user/load/loader.o: $(OUT)/smtpward.skel.h

$(OUT)/smtpward.skel.h: $(OUT)/smtpward.bpf.o
	$(BPFTOOL) gen skeleton $< name smtpward_bpf > $@

$(OUT)/smtpward.bpf.o: bpf/smtpward.bpf.c Makefile
	@mkdir -p $(@D)
	$(CLANG) $(BPF_FLAGS) -c -o $@.full $<
	$(BPFTOOL) gen object $@ $@.full

# What is installed as text: FROM, TO. It names the program and the policy where they are.
define install_text
sed -e 's|/usr/sbin/smtpward|$(sbindir)/smtpward|g' -e 's|/etc/smtpward|$(sysconfdir)/smtpward|g' \
	-e 's|/var/lib/smtpward|$(localstatedir)/lib/smtpward|g' \
	$(1) >$(OUT)/install.$$$$ && \
	$(INSTALL) -D -m 0644 $(OUT)/install.$$$$ '$(DESTDIR)$(2)' && rm $(OUT)/install.$$$$

endef

# Examples. The tree of another ABI has none, and is not installed.
WATCH := $(if $(wildcard scripts/watch),$(sort $(shell find scripts/watch -type f)))

# FROM=TO of everything but the program and the policy.
TEXTS := user/man/smtpward.8=$(mandir)/man8/smtpward.8 \
	user/man/smtpward.conf.5=$(mandir)/man5/smtpward.conf.5 \
	user/man/smtpward-security.7=$(mandir)/man7/smtpward-security.7 \
	user/man/smtpward-fleet.7=$(mandir)/man7/smtpward-fleet.7 \
	scripts/install/completion/smtpward=$(bashcompletiondir)/smtpward \
	scripts/install/systemd/smtpward.service=$(systemdsystemunitdir)/smtpward.service \
	scripts/install/systemd/smtpward-retry.service=$(systemdsystemunitdir)/smtpward-retry.service \
	scripts/install/systemd/smtpward-clock.service=$(systemdsystemunitdir)/smtpward-clock.service \
	scripts/install/systemd/smtpward-clock.timer=$(systemdsystemunitdir)/smtpward-clock.timer \
	scripts/install/systemd/smtpward-local.service=$(systemdsystemunitdir)/smtpward-local.service \
	scripts/install/systemd/smtpward-uplink@.service=$(systemdsystemunitdir)/smtpward-uplink@.service \
	scripts/install/systemd/smtpward-uplink.timer=$(systemdsystemunitdir)/smtpward-uplink.timer \
	scripts/install/systemd/60-smtpward.rules=$(udevrulesdir)/60-smtpward.rules \
	scripts/install/systemd/smtpward.sysusers=$(sysusersdir)/smtpward.conf \
	scripts/install/systemd/require-load.conf=$(docdir)/require-load.conf \
	README.md=$(docdir)/README.md \
	$(foreach file,$(WATCH),$(file)=$(file:scripts/%=$(docdir)/examples/%))

POLICY := $(sysconfdir)/smtpward/smtpward.conf

# What the policy includes, for files of the host's.
FRAGMENTS := $(sysconfdir)/smtpward/before.d $(sysconfdir)/smtpward/conf.d

install: all
	$(INSTALL) -D -m 0755 $(OUT)/smtpward '$(DESTDIR)$(sbindir)/smtpward'
	$(foreach text,$(TEXTS),$(call install_text,$(word 1,$(subst =, ,$(text))),$(word 2,$(subst =, ,$(text)))))
	$(INSTALL) -d -m 0755 $(FRAGMENTS:%='$(DESTDIR)%')
	test -e '$(DESTDIR)$(POLICY)' || $(INSTALL) -D -m 0644 scripts/install/etc/smtpward.conf '$(DESTDIR)$(POLICY)'

uninstall:
	rm -f '$(DESTDIR)$(sbindir)/smtpward' $(foreach text,$(TEXTS),'$(DESTDIR)$(word 2,$(subst =, ,$(text)))')
	! cmp -s scripts/install/etc/smtpward.conf '$(DESTDIR)$(POLICY)' || rm '$(DESTDIR)$(POLICY)'
	[ ! -d '$(DESTDIR)$(docdir)/examples' ] || find '$(DESTDIR)$(docdir)/examples' -depth -type d \
		-exec rmdir --ignore-fail-on-non-empty {} +
	for dir in '$(docdir)' $(FRAGMENTS:%='%') '$(sysconfdir)/smtpward'; do \
		[ ! -d "$(DESTDIR)$$dir" ] || rmdir --ignore-fail-on-non-empty "$(DESTDIR)$$dir"; \
	done

# Debian's tools want debian/ at the top of a tree: they get a copy.
DEB := out/deb/smtpward-$(VERSION)

deb:
	rm -rf out/deb
	mkdir -p $(DEB)
	cp -R bpf include user scripts Makefile README.md LICENSE $(DEB)
	mv $(DEB)/scripts/package/deb $(DEB)/debian
	cd $(DEB) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL SMTPWARD_COMMIT='$(SMTPWARD_COMMIT)' dpkg-buildpackage -us -uc -b
	cp out/deb/smtpward_*.deb out/

bench:
	tests/bench/run

clean:
	rm -rf $(OUT)

-include $(wildcard $(OUT)/*.d) $(shell find $(OUT)/user $(OUT)/tests -name '*.d' 2>/dev/null)
