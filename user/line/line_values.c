// SPDX-License-Identifier: GPL-2.0-only
/* Values of a line that are neither a number nor a text of the record; see line_values.h. */
#include "line/line_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mapped.h"
#include "base/verdict_word.h"

void line_value_set_number(struct line_field *field, uint64_t number)
{
	field->kind = LINE_NUMBER;
	field->number = number;
	field->text = NULL;
}

void line_value_set_text(struct line_field *field, enum line_field_kind kind, const char *text,
			 size_t len)
{
	field->kind = kind;
	field->text = text;
	field->len = len;
}

static void values_set_word(struct line_field *field, const char *word)
{
	line_value_set_text(field, LINE_WORD, word, strlen(word));
}

static bool values_is_word(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && !memcmp(text, word, len);
}

/* Digits as they are written here: no sign, and no zero in front. */
bool line_value_parse_number(const char *text, size_t len, uint64_t most, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (len == 0 || (len > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		const unsigned int digit = (unsigned char)text[i] - (unsigned int)'0';

		if (digit > 9 || number > most / 10 || (number == most / 10 && digit > most % 10))
			return false;
		number = number * 10 + digit;
	}
	*ret_number = number;
	return true;
}

/* The text, where something wants it with its NUL. */
static bool values_copy(const char *text, size_t len, struct line_field *field)
{
	if (len >= sizeof(field->dst) || memchr(text, '\0', len))
		return false;
	memcpy(field->dst, text, len);
	field->dst[len] = '\0';
	line_value_set_text(field, LINE_WORD, field->dst, len);
	return true;
}

#define VERSION 2

void line_value_version(const struct line *line __attribute__((unused)), struct line_field *field)
{
	line_value_set_number(field, VERSION);
}

bool line_value_parse_version(const char *text, size_t len, struct line_field *field)
{
	line_value_set_number(field, 0);
	return line_value_parse_number(text, len, VERSION, &field->number) &&
	       field->number == VERSION;
}

_Static_assert(LINE_TIME_SIZE <= INET6_ADDRSTRLEN, "dst has room for a time");

void line_value_time(const struct line *line, struct line_field *field)
{
	line_time_text(line->time, field->dst);
	values_set_word(field, field->dst);
}

bool line_value_parse_time(const char *text, size_t len, struct line_field *field)
{
	char again[LINE_TIME_SIZE];
	unsigned int micro = 0;
	struct tm tm = { 0 };

	if (!values_copy(text, len, field))
		return false;
	/* NOLINTNEXTLINE(cert-err34-c): what it makes of them has to give the same text again */
	if (sscanf(field->dst, "%4d-%2d-%2dT%2d:%2d:%2d.%6uZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &micro) != 7)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	line_time_text((uint64_t)timegm(&tm) * 1000000000 + micro * 1000ULL, again);
	return !strcmp(again, field->dst);
}

static const char *const values_yes_no[] = { "no", "yes" };

void line_value_healed(const struct line *line, struct line_field *field)
{
	values_set_word(field, values_yes_no[line->healed]);
}

bool line_value_parse_healed(const char *text, size_t len, struct line_field *field)
{
	return values_copy(text, len, field) && (values_is_word(text, len, values_yes_no[false]) ||
						values_is_word(text, len, values_yes_no[true]));
}

void line_value_verdict(const struct line *line, struct line_field *field)
{
	values_set_word(field, verdict_word(line->record.verdict));
}

bool line_value_parse_verdict(const char *text, size_t len, struct line_field *field)
{
	return values_copy(text, len, field) && verdict_from_word(field->dst) >= 0;
}

static void values_set_default(struct line_field *field)
{
	line_value_set_number(field, 0);
	field->text = LINE_DEFAULT;
	field->len = sizeof(LINE_DEFAULT) - 1;
}

void line_value_rule(const struct line *line, struct line_field *field)
{
	if (line->record.rule == SMTPWARD_RULE_NONE)
		values_set_default(field);
	else
		line_value_set_number(field, line->record.rule + 1U);
}

bool line_value_parse_rule(const char *text, size_t len, struct line_field *field)
{
	if (values_is_word(text, len, LINE_DEFAULT)) {
		values_set_default(field);
		return true;
	}
	line_value_set_number(field, 0);
	return line_value_parse_number(text, len, SMTPWARD_RULES_MAX, &field->number) &&
	       field->number;
}

static void values_set_address(struct line_field *field, const uint8_t address[static 16])
{
	/* Cannot fail: both families are known and dst holds the longest address. */
	if (mapped_is_ipv4(address))
		inet_ntop(AF_INET, address + MAPPED_BYTES, field->dst, sizeof(field->dst));
	else
		inet_ntop(AF_INET6, address, field->dst, sizeof(field->dst));
	values_set_word(field, field->dst);
}

void line_value_dst(const struct line *line, struct line_field *field)
{
	values_set_address(field, line->record.address);
}

bool line_value_parse_dst(const char *text, size_t len, struct line_field *field)
{
	char again[INET6_ADDRSTRLEN];
	uint8_t address[16];
	int family = AF_INET;

	if (!values_copy(text, len, field))
		return false;
	if (memchr(text, ':', len))
		family = AF_INET6;
	if (inet_pton(family, field->dst, address) != 1 ||
	    (family == AF_INET6 && mapped_is_ipv4(address)))
		return false;
	return inet_ntop(family, address, again, sizeof(again)) && !strcmp(again, field->dst);
}

static const char values_none[] = "-";

static void values_set_none(struct line_field *field)
{
	line_value_set_text(field, LINE_NONE, values_none, sizeof(values_none) - 1);
}

/* An address of a packet, which may hide it. */
static void values_set_any_address(struct line_field *field, const uint8_t address[static 16])
{
	static const uint8_t none[16];

	if (memcmp(address, none, sizeof(none)) != 0)
		values_set_address(field, address);
	else
		values_set_none(field);
}

bool line_value_parse_any_address(const char *text, size_t len, struct line_field *field)
{
	if (values_is_word(text, len, values_none)) {
		values_set_none(field);
		return true;
	}
	/* The address of zeros is printed as "-". */
	return !values_is_word(text, len, "::") && line_value_parse_dst(text, len, field);
}

void line_value_any_dst(const struct line *line, struct line_field *field)
{
	values_set_any_address(field, line->record.address);
}

void line_value_src(const struct line *line, struct line_field *field)
{
	values_set_any_address(field, line->packet.source);
}

void line_value_orig_src(const struct line *line, struct line_field *field)
{
	values_set_any_address(field, line->packet.original);
}

_Static_assert(sizeof(LINE_MAC_TEXT) <= INET6_ADDRSTRLEN, "dst has room for a MAC address");

static void values_format_mac(uint64_t mac, char *dst)
{
	snprintf(dst, sizeof(LINE_MAC_TEXT), "%02x:%02x:%02x:%02x:%02x:%02x", (uint8_t)(mac >> 40),
		 (uint8_t)(mac >> 32), (uint8_t)(mac >> 24), (uint8_t)(mac >> 16),
		 (uint8_t)(mac >> 8), (uint8_t)mac);
}

void line_value_smac(const struct line *line, struct line_field *field)
{
	if (!line->packet.mac) {
		values_set_none(field);
		return;
	}
	values_format_mac(line->packet.mac, field->dst);
	values_set_word(field, field->dst);
}

bool line_value_parse_smac(const char *text, size_t len, struct line_field *field)
{
	char again[sizeof(LINE_MAC_TEXT)];
	uint64_t mac = 0;

	if (values_is_word(text, len, values_none)) {
		values_set_none(field);
		return true;
	}
	if (len != sizeof(LINE_MAC_TEXT) - 1 || !values_copy(text, len, field))
		return false;
	for (size_t i = 0; i < len; i += 3)
		mac = mac << 8 | (uint8_t)strtoul(field->dst + i, NULL, 16);
	values_format_mac(mac, again);
	return mac && !strcmp(again, field->dst);
}

#define VLAN_MAX 4095

void line_value_vlan(const struct line *line, struct line_field *field)
{
	if (line->packet.vlan)
		line_value_set_number(field, line->packet.vlan);
	else
		values_set_none(field);
}

bool line_value_parse_vlan(const char *text, size_t len, struct line_field *field)
{
	if (values_is_word(text, len, values_none)) {
		values_set_none(field);
		return true;
	}
	line_value_set_number(field, 0);
	return line_value_parse_number(text, len, VLAN_MAX, &field->number) && field->number;
}

/* The hooks that a kind of line may be of. */

static const char *const values_hooks[] = {
	[SMTPWARD_OF_PACKET] = "packet",
	[SMTPWARD_OF_UPLINK] = "uplink",
	[SMTPWARD_OF_RAW] = "raw",
};

void line_value_hook(const struct line *line, struct line_field *field)
{
	values_set_word(field, values_hooks[line->record.hook]);
}

bool line_value_parse_hook(const char *text, size_t len, struct line_field *field)
{
	return values_copy(text, len, field) &&
	       (values_is_word(text, len, values_hooks[SMTPWARD_OF_PACKET]) ||
		values_is_word(text, len, values_hooks[SMTPWARD_OF_UPLINK]));
}

bool line_value_parse_guest_hook(const char *text, size_t len, struct line_field *field)
{
	return values_copy(text, len, field) &&
	       values_is_word(text, len, values_hooks[SMTPWARD_OF_UPLINK]);
}

bool line_value_parse_raw_hook(const char *text, size_t len, struct line_field *field)
{
	return values_copy(text, len, field) &&
	       values_is_word(text, len, values_hooks[SMTPWARD_OF_RAW]);
}

/* auid of a task that nobody logged in for. */
#define NOBODY UINT32_MAX

void line_value_auid(const struct line *line, struct line_field *field)
{
	if (line->record.auid == NOBODY)
		values_set_none(field);
	else
		line_value_set_number(field, line->record.auid);
}

bool line_value_parse_auid(const char *text, size_t len, struct line_field *field)
{
	if (values_is_word(text, len, values_none)) {
		values_set_none(field);
		return true;
	}
	line_value_set_number(field, 0);
	return line_value_parse_number(text, len, NOBODY - 1, &field->number);
}
