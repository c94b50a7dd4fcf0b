// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words into values: numbers, names, paths, ids, addresses. A word without a meaning is refused
 * here, with a reason that says what to write; nothing is guessed, rounded or cut.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <smtpward/match.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/mapped.h"
#include "policy/policy_value.h"

/* -EINVAL: word is no plain decimal number; -EDOM: word has leading zeros; -ERANGE: over max. */
static int value_parse_number(const char *word, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;
	bool over = false;

	if (!*word)
		return -EINVAL;
	for (const char *p = word; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		number = number * 10 + (uint64_t)(*p - '0');
		/* max is far below UINT64_MAX / 10, so one more digit cannot wrap. */
		if (number > max) {
			over = true;
			number = max;
		}
	}
	if (word[0] == '0' && word[1])
		return -EDOM;
	if (over)
		return -ERANGE;
	*ret_number = number;
	return 0;
}

static int value_parse_bounded(const char *word, const char *what, uint64_t max,
			       uint64_t *ret_number, struct reason *reterr)
{
	uint64_t number;
	int r = value_parse_number(word, max, &number);

	if (!r && number) {
		*ret_number = number;
		return 0;
	}
	reason_set(reterr, -EINVAL, "'%s' is not a %s: expected a number from 1 to %llu%s",
		   policy_shown(word).text, what, (unsigned long long)max,
		   r == -EDOM ? " without leading zeros" : "");
	return -EINVAL;
}

int policy_value_port(const char *word, uint16_t *ret_port, struct reason *reterr)
{
	uint64_t number;
	int r = value_parse_bounded(word, "port", UINT16_MAX, &number, reterr);

	if (r < 0)
		return r;
	*ret_port = (uint16_t)number;
	return 0;
}

int policy_value_burst(const char *word, uint64_t *ret_burst, struct reason *reterr)
{
	return value_parse_bounded(word, "burst", POLICY_LIMIT_MAX, ret_burst, reterr);
}

static uint64_t value_period_of(const char *letter)
{
	if (!strcmp(letter, "s"))
		return 1;
	if (!strcmp(letter, "m"))
		return 60;
	if (!strcmp(letter, "h"))
		return 3600;
	return 0;
}

/* N/s, N/m or N/h. */
static int value_parse_rate(const char *word, uint64_t *ret_number, uint64_t *ret_period)
{
	const char *slash = strchr(word, '/');
	uint64_t period = slash ? value_period_of(slash + 1) : 0;
	size_t len = slash ? (size_t)(slash - word) : 0;
	char digits[16] = "";
	uint64_t number = 0;

	if (len < sizeof(digits))
		memcpy(digits, word, len);
	if (!period || value_parse_number(digits, POLICY_LIMIT_MAX, &number) < 0 || !number)
		return -EINVAL;
	*ret_number = number;
	*ret_period = period;
	return 0;
}

int policy_value_rate(const char *word, uint64_t *ret_lines, uint64_t *ret_period,
		      struct reason *reterr)
{
	if (!value_parse_rate(word, ret_lines, ret_period))
		return 0;
	reason_set(reterr, -EINVAL,
		   "'%s' is not a rate: expected N/s, N/m or N/h with N from 1 to %d",
		   policy_shown(word).text, POLICY_LIMIT_MAX);
	return -EINVAL;
}

int policy_value_alert(const char *word, uint64_t *ret_attempts, uint64_t *ret_period,
		       struct reason *reterr)
{
	uint64_t attempts = 0, period = 0;

	if (strcmp(word, POLICY_ALERT_OFF) != 0 &&
	    (value_parse_rate(word, &attempts, &period) || period == 1)) {
		reason_set(reterr, -EINVAL,
			   "'%s' is no threshold: expected N/m or N/h with N from 1 to %d, "
			   "or " POLICY_ALERT_OFF,
			   policy_shown(word).text, POLICY_LIMIT_MAX);
		return -EINVAL;
	}
	*ret_attempts = attempts;
	*ret_period = period;
	return 0;
}

/* Checks len bytes of a word as a cgroup name that the kernel allows, with at most one star. */
static int value_check_name(const char *name, size_t len, struct reason *reterr)
{
	char copy[SMTPWARD_NAME_SIZE] = "";
	const char *star;

	memcpy(copy, name, len < SMTPWARD_NAME_MAX ? len : SMTPWARD_NAME_MAX);
	star = strchr(copy, '*');
	if (len > SMTPWARD_NAME_MAX)
		reason_set(reterr, -EINVAL, "'%s' is %zu bytes long: a cgroup name has at most %d",
			   policy_shown(copy).text, len, SMTPWARD_NAME_MAX);
	else if (!strcmp(copy, ".") || !strcmp(copy, ".."))
		reason_set(reterr, -EINVAL, "no cgroup is called '%s'", copy);
	else if (strchr(copy, '\n'))
		reason_set(reterr, -EINVAL, "'%s' holds a newline: no cgroup is called that",
			   policy_shown(copy).text);
	else if (star && strchr(star + 1, '*'))
		reason_set(reterr, -EINVAL, "'%s' has more than one '*': a name may hold one",
			   policy_shown(copy).text);
	else
		return 0;
	return -EINVAL;
}

/*
 * A unit is a cgroup below nothing but slices, whoever made the cgroup; the line's unit="docker"
 * is one. A path or a slice could never match as a unit, so such a value is a mistake.
 */
static int value_check_unit(const char *word, struct reason *reterr)
{
	struct policy_shown shown = policy_shown(word);

	if (!*word)
		reason_set(reterr, -EINVAL, "a unit name cannot be empty");
	else if (*word == '/')
		reason_set(reterr, -EINVAL, "'%s' is a path, not a unit name: use 'cgroup' for it",
			   shown.text);
	else if (strchr(word, '/'))
		reason_set(reterr, -EINVAL, "'%s' holds a slash: a unit is a name, not a path",
			   shown.text);
	else if (value_check_name(word, strlen(word), reterr) < 0)
		return -EINVAL;
	else if (smtpward_is_slice(word, strlen(word)))
		reason_set(reterr, -EINVAL,
			   "'%s' is a slice, which 'unit' never matches: use 'cgroup /path'",
			   shown.text);
	else
		return 0;
	return -EINVAL;
}

static int value_copy_word(const char *word, char **ret_copy)
{
	char *copy = strdup(word);

	if (!copy)
		return -ENOMEM;
	*ret_copy = copy;
	return 0;
}

int policy_value_unit(const char *word, char **ret_unit, struct reason *reterr)
{
	int r = value_check_unit(word, reterr);

	return r < 0 ? r : value_copy_word(word, ret_unit);
}

static int value_check_path(const char *word, size_t *ret_segments, struct reason *reterr)
{
	struct policy_shown shown = policy_shown(word);
	size_t segments = 0, len = 0;

	if (!*word) {
		reason_set(reterr, -EINVAL, "a cgroup path cannot be empty");
		return -EINVAL;
	}
	if (*word != '/') {
		reason_set(reterr, -EINVAL,
			   "'%s' is relative: write '/%s', from the cgroup v2 root on", shown.text,
			   shown.text);
		return -EINVAL;
	}
	for (const char *at = word; word[1] && *at; at += len) {
		at++;
		len = strcspn(at, "/");
		if (!len) {
			reason_set(reterr, -EINVAL, "'%s' %s", shown.text,
				   *at ? "has an empty segment: write one '/' between names"
				       : "ends in a slash: leave that out");
			return -EINVAL;
		}
		if (value_check_name(at, len, reterr) < 0)
			return -EINVAL;
		segments++;
	}
	*ret_segments = segments;
	return 0;
}

int policy_value_cgroup(const char *word, char **ret_path, size_t *ret_segments,
			struct reason *reterr)
{
	size_t segments = 0;
	int r = value_check_path(word, &segments, reterr);

	if (r < 0)
		return r;
	r = value_copy_word(word, ret_path);
	if (r < 0)
		return r;
	*ret_segments = segments;
	return 0;
}

/*
 * Reads a word of digits as a number, so that a mistyped number is never looked up as a name. 1:
 * the word is a name.
 */
static int value_parse_id_number(const char *word, const char *what, uint32_t *ret_id,
				 struct reason *reterr)
{
	struct policy_shown shown = policy_shown(word);
	uint64_t number = 0;
	int r = value_parse_number(word, UINT32_MAX - 1, &number);

	if (!r) {
		*ret_id = (uint32_t)number;
		return 0;
	}
	if (!*word)
		reason_set(reterr, -EINVAL, "a %s name cannot be empty", what);
	else if (r == -EDOM)
		reason_set(reterr, -EINVAL, "'%s' has leading zeros: write the number without them",
			   shown.text);
	else if (r == -ERANGE)
		reason_set(reterr, -EINVAL, "'%s' is not a %s id: expected a number from 0 to %u",
			   shown.text, what, UINT32_MAX - 1);
	else if (*word == '+' || *word == '-')
		reason_set(reterr, -EINVAL, "'%s' is neither a %s name nor a number", shown.text,
			   what);
	else
		return 1;
	return -EINVAL;
}

/* Turns r, the result of a lookup in a file or on this machine, into the parser's result. */
static int value_check_lookup(const char *word, const char *what, const char *file, int r,
			      uint32_t id, struct reason *reterr)
{
	struct policy_shown shown = policy_shown(word);

	if (r == -ENOMEM)
		return r;
	if (r == -ENOENT)
		reason_set(reterr, -EINVAL, "there is no %s '%s' %s%s", what, shown.text,
			   file ? "in " : "on this machine", file ? policy_shown(file).text : "");
	else if (r < 0)
		reason_set(reterr, -EINVAL, "cannot look up the %s '%s': %s", what, shown.text,
			   r == -ETIMEDOUT ? "no answer in time" : strerror(-r));
	else if (id == UINT32_MAX)
		reason_set(reterr, -EINVAL, "the %s '%s' has the id %u, which is nobody's", what,
			   shown.text, UINT32_MAX);
	else
		return 0;
	return -EINVAL;
}

static int value_parse_id(const char *word, const char *what, const char *file, void *userdata,
			  int (*lookup)(void *userdata, const char *name, uint32_t *ret_id),
			  struct policy_id *ret_id, struct reason *reterr)
{
	struct policy_id id = { 0 };
	int r = value_parse_id_number(word, what, &id.id, reterr);

	if (r > 0) {
		r = lookup(userdata, word, &id.id);
		r = value_check_lookup(word, what, file, r, id.id, reterr);
		if (!r)
			r = value_copy_word(word, &id.name);
	}
	if (r < 0)
		return r;
	*ret_id = id;
	return 0;
}

int policy_value_user(const char *word, const struct policy_source *source,
		      struct policy_id *ret_id, struct reason *reterr)
{
	return value_parse_id(word, "user", source->users, source->userdata, source->user, ret_id,
			      reterr);
}

int policy_value_group(const char *word, const struct policy_source *source,
		       struct policy_id *ret_id, struct reason *reterr)
{
	return value_parse_id(word, "group", source->groups, source->userdata, source->group,
			      ret_id, reterr);
}

/* The last colon stands before the number; the name may have colons. */
static int value_parse_kept(const char *word, const char *what,
			    int (*is_its)(void *userdata, uint32_t id, const char *name),
			    void *userdata, struct policy_id *ret_id, struct reason *reterr)
{
	_cleanup_free_ char *name = NULL;
	const char *colon = strrchr(word, ':');
	uint32_t id = 0;
	int r = value_parse_id_number(colon ? colon + 1 : word, what, &id, reterr);

	if (r > 0 || colon == word)
		return reason_set(reterr, -EINVAL,
				  "'%s': a kept copy has the number of a %s, or its name, a colon "
				  "and its number",
				  policy_shown(word).text, what);
	if (r < 0)
		return r;
	if (colon) {
		name = strndup(word, (size_t)(colon - word));
		if (!name)
			return -ENOMEM;
		r = is_its(userdata, id, name);
		if (r < 0)
			return value_check_lookup(name, what, NULL, r, id, reterr);
		if (!r)
			id = POLICY_ID_NONE;
	}
	*ret_id = (struct policy_id){ .name = TAKE_PTR(name), .id = id };
	return 0;
}

int policy_value_kept_user(const char *word, const struct policy_source *source,
			   struct policy_id *ret_id, struct reason *reterr)
{
	return value_parse_kept(word, "user", source->kept_user, source->userdata, ret_id, reterr);
}

int policy_value_kept_group(const char *word, const struct policy_source *source,
			    struct policy_id *ret_id, struct reason *reterr)
{
	return value_parse_kept(word, "group", source->kept_group, source->userdata, ret_id,
				reterr);
}

static bool value_is_ipv4(const struct policy_prefix *prefix)
{
	return prefix->bits >= MAPPED_BITS && mapped_is_ipv4(prefix->address);
}

#define VALUE_LOCAL "local"

struct policy_prefix_text policy_prefix_text(const struct policy_prefix *prefix)
{
	bool ipv4 = value_is_ipv4(prefix);
	struct policy_prefix_text text = { "" };

	if (prefix->bits == POLICY_PREFIX_LOCAL)
		return (struct policy_prefix_text){ VALUE_LOCAL };

	/* Cannot fail: the family is known and the text has room for any address. */
	if (!inet_ntop(ipv4 ? AF_INET : AF_INET6, prefix->address + (ipv4 ? MAPPED_BYTES : 0),
		       text.text, sizeof(text.text)))
		return text;
	if (prefix->bits < 128)
		sprintf(text.text + strlen(text.text), "/%d",
			prefix->bits - (ipv4 ? MAPPED_BITS : 0));
	return text;
}

static int value_parse_address(const char *text, struct policy_prefix *ret_prefix, bool *ret_dotted)
{
	struct policy_prefix prefix = { .bits = 128 };
	struct in_addr ipv4;
	bool dotted = inet_pton(AF_INET, text, &ipv4) == 1;

	if (dotted) {
		mapped_begin(prefix.address);
		memcpy(prefix.address + MAPPED_BYTES, &ipv4, sizeof(ipv4));
	} else if (inet_pton(AF_INET6, text, prefix.address) != 1) {
		return -EINVAL;
	}
	*ret_prefix = prefix;
	*ret_dotted = dotted;
	return 0;
}

static int value_check_host_bits(const struct policy_prefix *prefix, struct reason *reterr)
{
	struct policy_prefix masked = *prefix;

	for (unsigned int bit = prefix->bits; bit < 128; bit++)
		masked.address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	if (!memcmp(&masked, prefix, sizeof(masked)))
		return 0;
	reason_set(reterr, -EINVAL, "host bits are set: write %s",
		   policy_prefix_text(&masked).text);
	return -EINVAL;
}

/* connect(2) to the unspecified address goes to loopback, so the prefix becomes loopback. */
static void value_resolve_this_host(struct policy_prefix *prefix)
{
	static const uint8_t any[16];

	if (prefix->bits != 128)
		return;
	if (!memcmp(prefix->address, any, 16))
		prefix->address[15] = 1;
	else if (value_is_ipv4(prefix) && !memcmp(prefix->address + MAPPED_BYTES, any, 4))
		memcpy(prefix->address + MAPPED_BYTES, "\x7f\0\0\1", 4);
}

/* nor: what else it could be. */
static int value_read_prefix(const char *word, const char *nor, struct policy_prefix *ret_prefix,
			     struct reason *reterr)
{
	struct policy_shown shown = policy_shown(word);
	struct policy_prefix prefix;
	size_t len = strcspn(word, "/");
	char address[INET6_ADDRSTRLEN] = "";
	bool dotted = false;
	uint64_t bits, max;

	if (strchr(word, '%')) {
		reason_set(reterr, -EINVAL, "'%s' names a zone: write the address without '%%'",
			   shown.text);
		return -EINVAL;
	}
	if (len < sizeof(address))
		memcpy(address, word, len);
	if (value_parse_address(address, &prefix, &dotted) < 0) {
		reason_set(reterr, -EINVAL,
			   "'%s' is not an IPv4 or IPv6 address%s (names are not looked up)",
			   shown.text, nor);
		return -EINVAL;
	}
	max = dotted ? 32 : 128;
	if (word[len]) {
		if (value_parse_number(word + len + 1, max, &bits) < 0) {
			reason_set(reterr, -EINVAL,
				   "'%s': expected a prefix length from 0 to %d after "
				   "the slash",
				   shown.text, (int)max);
			return -EINVAL;
		}
		prefix.bits = (uint8_t)(128 - max + bits);
	}
	if (value_check_host_bits(&prefix, reterr) < 0)
		return -EINVAL;
	*ret_prefix = prefix;
	return 0;
}

int policy_value_prefix(const char *word, struct policy_prefix *ret_prefix, struct reason *reterr)
{
	return value_read_prefix(word, "", ret_prefix, reterr);
}

int policy_value_to(const char *word, struct policy_prefix *ret_prefix, struct reason *reterr)
{
	int r;

	if (!strcmp(word, VALUE_LOCAL)) {
		*ret_prefix = (struct policy_prefix){ .bits = POLICY_PREFIX_LOCAL };
		return 0;
	}
	r = value_read_prefix(word, ", nor 'local'", ret_prefix, reterr);
	if (!r)
		value_resolve_this_host(ret_prefix);
	return r;
}

/* dev_valid_name() in net/core/dev.c: its isspace() counts 0xa0 too, as Latin-1 does. */
static bool value_is_device_byte(unsigned char byte)
{
	return byte != '/' && byte != ':' && byte != ' ' && byte != 0xa0 &&
	       (byte < '\t' || byte > '\r');
}

int policy_value_device(const char *word, bool starred, struct policy_device *ret_device,
			struct reason *reterr)
{
	const struct policy_shown shown = policy_shown(word);
	const size_t len = strlen(word), max = sizeof(ret_device->text) - 1;
	const char *star = strchr(word, '*');

	if (!len)
		return reason_set(reterr, -EINVAL, "the name of a device cannot be empty");
	if (len > max)
		return reason_set(reterr, -EINVAL,
				  "'%s' is %zu bytes long: the name of a device has at most %zu",
				  shown.text, len, max);
	for (const char *p = word; *p; p++)
		if (!value_is_device_byte((unsigned char)*p))
			return reason_set(
				reterr, -EINVAL,
				"'%s' is no name of a device: it has no blank, '/' or ':'",
				shown.text);
	if (!strcmp(word, ".") || !strcmp(word, ".."))
		return reason_set(reterr, -EINVAL, "no device is called '%s'", word);
	if (star && !starred)
		return reason_set(reterr, -EINVAL,
				  "'%s' has a '*': name each device, or write 'uplink auto'",
				  shown.text);
	if (star && star[1])
		return reason_set(
			reterr, -EINVAL,
			"'%s' goes on behind its '*': a device's name may hold one at its "
			"end",
			shown.text);
	*ret_device = (struct policy_device){ "" };
	memcpy(ret_device->text, word, len);
	return 0;
}

static int value_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int policy_value_mac(const char *word, struct policy_mac *ret_mac, struct reason *reterr)
{
	struct policy_mac mac = { { 0 } };
	const size_t n = ARRAY_SIZE(mac.bytes);
	bool good = strlen(word) == 3 * n - 1;

	for (size_t i = 0; i < n && good; i++) {
		const int high = value_hex_digit(word[3 * i]);
		const int low = value_hex_digit(word[3 * i + 1]);

		good = high >= 0 && low >= 0 && word[3 * i + 2] == (i + 1 < n ? ':' : '\0');
		if (good)
			mac.bytes[i] = (uint8_t)(high << 4 | low);
	}
	if (!good)
		return reason_set(
			reterr, -EINVAL,
			"'%s' is not a MAC address: expected six pairs of hex digits with "
			"colons between them",
			policy_shown(word).text);
	*ret_mac = mac;
	return 0;
}

/* 0 and 4095 of the 12 bits are reserved by IEEE 802.1Q. */
int policy_value_vlan(const char *word, uint16_t *ret_vlan, struct reason *reterr)
{
	uint64_t number;
	int r = value_parse_bounded(word, "VLAN", 4094, &number, reterr);

	if (r < 0)
		return r;
	*ret_vlan = (uint16_t)number;
	return 0;
}
