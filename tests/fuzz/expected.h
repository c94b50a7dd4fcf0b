/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the lines of a record have to say: a second opinion, slow and simple, that asks no code of
 * the product. It also says which records there can be.
 */
#ifndef SMTPWARD_FUZZ_EXPECTED_H
#define SMTPWARD_FUZZ_EXPECTED_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <smtpward/abi.h>

#include "fuzz.h"
#include "line/line.h"

#define FIELDS_MAX 21
#define NAMES_MAX (SMTPWARD_TEXT_SIZE / 2)
#define TEXT_MAX (SMTPWARD_TEXT_SIZE + 256)

/* What a line has to say, in order. */

enum kind {
	NUMBER, /* with a text: text has that, and JSON the number */
	NONE,
	WORD,
	TIME,
	STRING,
	CHAIN, /* a list, with '<' for a NUL */
	PATH,  /* may be shortened */
	WORDS, /* a list, with ' ' for a NUL; may be shortened */
};

struct field {
	const char *name;
	enum kind kind;
	uint64_t number;
	char text[TEXT_MAX];
	size_t len;
	const char *value; /* where it stands in the line of text ... */
	size_t value_len;  /* ... without its quotes */
};

struct expected {
	struct field fields[FIELDS_MAX];
	size_t n;
	const char *kind;      /* in JSON */
	enum line_kind parsed; /* that the product's reader has to find */
};

static struct field *expect(struct expected *line, const char *name, enum kind kind)
{
	struct field *field = &line->fields[line->n++];

	fuzz_assert(line->n <= FIELDS_MAX);
	field->name = name;
	field->kind = kind;
	field->number = 0;
	field->len = 0;
	return field;
}

static void field_add(struct field *field, const char *text, size_t len)
{
	fuzz_assert(len <= sizeof(field->text) - field->len);
	memcpy(field->text + field->len, text, len);
	field->len += len;
}

static void field_add_text(struct field *field, const char *text)
{
	field_add(field, text, strlen(text));
}

static void expect_number(struct expected *line, const char *name, uint64_t number)
{
	expect(line, name, NUMBER)->number = number;
}

static void expect_word(struct expected *line, const char *name, const char *word)
{
	field_add_text(expect(line, name, WORD), word);
}

static void expect_begin(struct expected *line, uint64_t time)
{
	expect_number(line, "v", 2);
	expect(line, "time", TIME)->number = time;
}

/* Up to a NUL, or all of the array. */
static void expect_array(struct expected *line, const char *name, const char *array, size_t size)
{
	field_add(expect(line, name, STRING), array, strnlen(array, size));
}

/* Lists of names. */

struct names {
	const char *items[NAMES_MAX]; /* the first one is next to the root */
	size_t n;
	size_t gap; /* names are missing before this one; over n: none are */
	bool odd;   /* there are none, but the first so many of these bytes */
	const char *bytes;
	size_t len;
};

/* False if a name is empty, has a slash in it or no end. */
static bool names_split(const char *list, size_t len, struct names *ret)
{
	struct names names = { .gap = SIZE_MAX };

	for (size_t at = 0; at < len; names.n++) {
		size_t name = strnlen(list + at, len - at);

		if (!name || name == len - at || memchr(list + at, '/', name))
			return false;
		memmove(names.items + 1, names.items, names.n * sizeof(*names.items));
		names.items[0] = list + at;
		at += name + 1;
	}
	*ret = names;
	return true;
}

/* Up to the last byte that is no NUL, or the end of the array. */
static void names_odd(const char *list, size_t len, size_t size, struct names *ret)
{
	*ret = (struct names){ .odd = true, .bytes = list, .len = len < size ? len : size };
	while (ret->len && !list[ret->len - 1])
		ret->len--;
}

static void cgroup_names(const char *list, size_t len, uint32_t flags, struct names *ret)
{
	bool cut = flags & SMTPWARD_CGROUP_CUT, top = flags & SMTPWARD_CGROUP_TOP;
	size_t kept = flags >> 16;

	if (top && !kept)
		kept = 2;
	if (len > SMTPWARD_CGROUP_SIZE || !names_split(list, len, ret) || (kept && !(top && cut)) ||
	    ret->n < kept)
		names_odd(list, len, SMTPWARD_CGROUP_SIZE, ret);
	else if (cut)
		ret->gap = kept;
}

static void file_names(const char *list, size_t len, size_t size, bool cut, struct names *ret)
{
	if (len > size)
		names_odd(list, len, size, ret);
	else if (names_split(list, len, ret))
		ret->gap = cut ? 0 : SIZE_MAX;
	else if (len > 1 && strnlen(list, len) == len - 1) /* in no directory: slashes too */
		*ret = (struct names){ .items = { list }, .n = 1, .gap = cut ? 0 : SIZE_MAX };
	else
		names_odd(list, len, size, ret);
}

static void expect_path(struct field *field, const struct names *names)
{
	if (names->odd) {
		field_add_text(field, "?");
		field_add(field, names->bytes, names->len);
		return;
	}
	for (size_t i = 0; i <= names->n; i++) {
		if (i == names->gap)
			field_add_text(field, "/...");
		if (i == names->n)
			break;
		field_add_text(field, "/");
		field_add_text(field, names->items[i]);
	}
}

static bool ends_in_slice(const char *name)
{
	size_t len = strlen(name);

	return len >= 6 && !strcmp(name + len - 6, ".slice");
}

static void expect_unit(struct expected *line, const struct names *names)
{
	struct field *unit = expect(line, "unit", PATH);
	size_t i = 0;

	while (i < names->n && i < names->gap && ends_in_slice(names->items[i]))
		i++;
	if (i < names->n && i < names->gap)
		field_add_text(unit, names->items[i]);
}

static void expect_cgroup(struct expected *line, const struct names *names)
{
	struct field *path = expect(line, "cgroup", PATH);

	expect_path(path, names);
	if (!path->len)
		field_add_text(path, "/");
}

/* Records. */

static void expect_address(struct expected *line, const char *name, const uint8_t address[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool ipv4 = !memcmp(address, mapped, sizeof(mapped));
	char text[INET6_ADDRSTRLEN];

	fuzz_assert(inet_ntop(ipv4 ? AF_INET : AF_INET6, address + (ipv4 ? 12 : 0), text,
			      sizeof(text)));
	expect_word(line, name, text);
}

/* One that a packet may hide: all zero. */
static void expect_hidden(struct expected *line, const char *name, const uint8_t address[16])
{
	for (size_t i = 0; i < 16; i++)
		if (address[i]) {
			expect_address(line, name, address);
			return;
		}
	expect(line, name, NONE);
}

/* The number's bytes as they are written on paper: the highest first. */
static void expect_mac(struct expected *line, uint64_t mac)
{
	struct field *field = expect(line, "smac", mac ? WORD : NONE);
	uint64_t unit = 1ULL << 40;
	char text[4];

	for (; mac && unit; unit /= 256) {
		snprintf(text, sizeof(text), "%02x:", (unsigned int)(mac / unit % 256));
		field_add(field, text, unit > 1 ? 3 : 2);
	}
}

static void expect_args(struct expected *line, const char *words, size_t len, bool cut)
{
	struct field *args = expect(line, "args", WORDS);
	const bool whole = len && !words[len - 1];
	size_t blank = 0;

	while (len && !words[len - 1])
		len--;
	field_add(args, words, len);
	/* "name: what it does": one word, whose first blank follows a colon. */
	while (blank < len && words[blank] && words[blank] != ' ')
		blank++;
	if (blank && blank < len && words[blank] == ' ' && words[blank - 1] == ':' &&
	    strnlen(words, len) == len) {
		for (size_t i = 0; i < args->len; i++)
			if (args->text[i] == ' ')
				args->text[i] = '\0';
		while (args->len && !args->text[args->len - 1])
			args->len--;
	}
	if (cut && whole && args->len)
		field_add(args, "", 1);
	if (cut)
		field_add_text(args, "...");
}

static void expect_ancestors(struct expected *line, const char (*comms)[SMTPWARD_COMM_SIZE],
			     size_t n)
{
	struct field *ancestors = expect(line, "ancestors", CHAIN);

	for (size_t i = 0; i < n; i++) {
		if (i)
			field_add(ancestors, "", 1);
		field_add(ancestors, comms[i], strnlen(comms[i], SMTPWARD_COMM_SIZE));
	}
}

static void expect_decision(struct expected *line, const struct smtpward_event *event)
{
	static const char *const verdicts[] = { "deny", "audit", "allow" };
	static const char *const hooks[] = { NULL, "packet", "uplink", "raw" };
	struct field *field;

	expect_word(line, "verdict", verdicts[event->verdict]);
	field = expect(line, "rule", NUMBER);
	if (event->rule == 256)
		field_add_text(field, "default");
	else
		field->number = event->rule + 1;
	if (event->hook)
		expect_word(line, "hook", hooks[event->hook]);
}

/* The process that called connect(2), or with raw, setsockopt(2): that has no destination. */
static void expect_task(struct expected *line, const struct smtpward_event *event)
{
	size_t lens[] = { event->cgroup_len, event->exe_len, event->cwd_len, event->args_len };
	const char *parts[4];
	static struct names cgroup, exe, cwd;
	size_t used = 0;
	struct field *field;

	for (size_t i = 0; i < 4; i++) {
		parts[i] = event->text + used;
		if (used + lens[i] > SMTPWARD_TEXT_SIZE)
			lens[i] = SMTPWARD_TEXT_SIZE - used;
		used += lens[i];
	}
	cgroup_names(parts[0], lens[0], event->flags, &cgroup);
	file_names(parts[1], lens[1], SMTPWARD_TEXT_SIZE, event->flags & SMTPWARD_EXE_CUT, &exe);
	file_names(parts[2], lens[2], SMTPWARD_TEXT_SIZE, event->flags & SMTPWARD_CWD_CUT, &cwd);
	line->parsed = event->hook == SMTPWARD_OF_RAW ? LINE_RAW : LINE_ATTEMPT;
	expect_unit(line, &cgroup);
	expect_number(line, "euid", event->euid);
	if (event->hook != SMTPWARD_OF_RAW) {
		expect_address(line, "dst", event->address);
		expect_number(line, "dport", event->port);
	}
	expect_number(line, "uid", event->uid);
	expect_number(line, "gid", event->egid);
	if (event->auid == UINT32_MAX)
		expect(line, "auid", NONE);
	else
		expect_number(line, "auid", event->auid);
	expect_number(line, "pid", event->pid);
	expect_number(line, "ppid", event->ppid);
	expect_number(line, "netns", event->netns);
	expect_number(line, "cgid", event->cgroup_id);
	field = expect(line, "exe", PATH);
	expect_path(field, &exe);
	if (event->flags & SMTPWARD_EXE_DELETED)
		field_add_text(field, " (deleted)");
	field = expect(line, "cwd", PATH);
	expect_path(field, &cwd);
	if (!field->len && event->flags & SMTPWARD_CWD_KNOWN)
		field_add_text(field, "/");
	if (event->flags & SMTPWARD_CWD_DELETED)
		field_add_text(field, " (deleted)");
	expect_args(line, parts[3], lens[3], event->flags & SMTPWARD_ARGS_CUT);
	expect_ancestors(line, event->ancestor, event->ancestors);
	expect_array(line, "comm", event->comm, SMTPWARD_COMM_SIZE);
	expect_cgroup(line, &cgroup);
}

/* A packet of a socket, or of a guest: then it came in by a device, as it can at an uplink. */
static bool expect_packet(struct expected *line, const struct smtpward_event *event)
{
	static struct names cgroup;
	struct smtpward_packet packet;
	bool guest;

	memcpy(&packet, event->text + 1024, sizeof(packet));
	guest = packet.iif > 0;
	if (packet.mac >= 1ULL << 48 || packet.vlan >= 4096)
		return false;
	if (guest && event->hook == SMTPWARD_OF_PACKET)
		return false;
	cgroup_names(event->text, event->cgroup_len, event->flags, &cgroup);
	line->parsed = guest ? LINE_GUEST : LINE_PACKET;
	if (guest)
		expect_array(line, "guest", packet.guest, sizeof(packet.guest));
	if (!guest)
		expect_unit(line, &cgroup);
	if (!guest)
		expect_number(line, "euid", event->euid);
	expect_hidden(line, "dst", event->address);
	expect_number(line, "dport", event->port);
	expect_hidden(line, "src", packet.source);
	expect_hidden(line, "orig_src", packet.original);
	expect_mac(line, packet.mac);
	if (packet.vlan)
		expect_number(line, "vlan", packet.vlan);
	else
		expect(line, "vlan", NONE);
	if (guest)
		expect_number(line, "iif", packet.iif);
	expect_number(line, "netns", event->netns);
	if (!guest)
		expect_number(line, "cgid", event->cgroup_id);
	expect_array(line, "dev", packet.device, sizeof(packet.device));
	if (!guest)
		expect_cgroup(line, &cgroup);
	return true;
}

/* False: a program of this ABI writes no such record. */
static bool expect_event(const struct smtpward_event *event, int64_t offset, struct expected *line)
{
	if (event->verdict > 2 || event->rule > 256 || event->flags & ~0xf01efU ||
	    event->ancestors > SMTPWARD_ANCESTORS || event->hook > 3)
		return false;
	line->kind = "attempt";
	expect_begin(line, event->time_ns + (uint64_t)offset);
	expect_decision(line, event);
	if (event->hook == SMTPWARD_OF_PACKET || event->hook == SMTPWARD_OF_UPLINK)
		return expect_packet(line, event);
	expect_task(line, event);
	return true;
}

/* The sum of a guest: the only name there is, is that of the guest's device. */
static void expect_guest_sum(const struct smtpward_caller *caller, struct expected *line)
{
	line->parsed = LINE_GUEST_SUM;
	if (caller->flags & SMTPWARD_CALLER_NAMED)
		expect_array(line, "guest", caller->cgroup, SMTPWARD_DEVICE_SIZE);
	else
		expect(line, "guest", STRING);
}

/* What the line says of a caller; nothing is known of one that is NULL. */
static bool expect_caller(const struct smtpward_caller_key *key,
			  const struct smtpward_caller *caller, uint64_t suppressed, uint64_t lost,
			  uint64_t time, struct expected *line)
{
	struct names cgroup;
	bool named = false;

	if (caller) {
		if (caller->flags & ~0xf0013U)
			return false;
		cgroup_names(caller->cgroup, caller->cgroup_len, caller->flags, &cgroup);
		named = caller->flags & SMTPWARD_CALLER_NAMED;
	}
	line->kind = "summary";
	line->parsed = caller && !key->shared ? LINE_SUMMARY : LINE_ANYONE;
	expect_begin(line, time);
	expect_number(line, "suppressed", suppressed);
	expect_number(line, "lost", lost);
	if (caller && key->cgroup_id >= 1ULL << 63) {
		expect_guest_sum(caller, line);
		return true;
	}
	if (named)
		expect_unit(line, &cgroup);
	else
		expect(line, "unit", PATH);
	if (caller && !key->shared) {
		expect_number(line, "euid", key->euid);
		expect_number(line, "cgid", key->cgroup_id);
	}
	if (named)
		expect_cgroup(line, &cgroup);
	else
		expect(line, "cgroup", PATH);
	return true;
}

#endif /* SMTPWARD_FUZZ_EXPECTED_H */
