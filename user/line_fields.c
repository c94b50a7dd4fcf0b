// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a line says, field by field: numbers and our own words first, then what the
 * caller could choose, the freest last.
 */
#include "line_fields.h"

#include <string.h>

#include "verdict_word.h"

static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };

static void add(struct violation_fields *fields, const struct violation_field *field)
{
	fields->field[fields->count++] = *field;
}

static void add_number(struct violation_fields *fields, const char *name, uint64_t number)
{
	add(fields,
	    &(struct violation_field){ .name = name, .kind = VIOLATION_NUMBER, .number = number });
}

static void add_word(struct violation_fields *fields, const char *name, const char *word)
{
	add(fields,
	    &(struct violation_field){
		    .name = name, .kind = VIOLATION_WORD, .text = word, .len = strlen(word) });
}

static void add_string(struct violation_fields *fields, const char *name, const char *text,
		       size_t len)
{
	add(fields, &(struct violation_field){
			    .name = name, .kind = VIOLATION_STRING, .text = text, .len = len });
}

static void add_path(struct violation_fields *fields, const char *name,
		     const struct violation_path *path)
{
	add_string(fields, name, path->text, path->len);
}

static void add_destination(struct violation_fields *fields, const uint8_t address[16])
{
	/* Cannot fail: both families are known and dst holds the longest address. */
	if (memcmp(address, v4_mapped, sizeof(v4_mapped)) == 0)
		inet_ntop(AF_INET, address + sizeof(v4_mapped), fields->dst, sizeof(fields->dst));
	else
		inet_ntop(AF_INET6, address, fields->dst, sizeof(fields->dst));
	add_word(fields, "dst", fields->dst);
}

static void fields_attempt(const struct violation *violation, struct violation_fields *fields)
{
	add_word(fields, "verdict", verdict_word(violation->verdict));
	if (violation->rule == SMTPWARD_RULE_NONE)
		add_word(fields, "rule", "default");
	else
		add_number(fields, "rule", violation->rule + 1);
	add_destination(fields, violation->address);
	add_number(fields, "dport", violation->port);
	add_number(fields, "uid", violation->uid);
	add_number(fields, "euid", violation->euid);
	add_number(fields, "gid", violation->egid);
	add_number(fields, "auid", violation->auid);
	add_number(fields, "pid", violation->pid);
	add_number(fields, "ppid", violation->ppid);
	add_number(fields, "netns", violation->netns);
	add_number(fields, "cgid", violation->cgroup_id);
	add_path(fields, "unit", &violation->unit);
	add_path(fields, "cgroup", &violation->cgroup);
	add_path(fields, "exe", &violation->exe);
	add_string(fields, "parent", violation->parent, strlen(violation->parent));
	add_string(fields, "comm", violation->comm, strlen(violation->comm));
}

static void fields_summary(const struct violation *violation, struct violation_fields *fields)
{
	add_number(fields, "suppressed", violation->suppressed);
	add_number(fields, "lost", violation->lost);
	if (!violation->anyone) {
		add_number(fields, "euid", violation->euid);
		add_number(fields, "cgid", violation->cgroup_id);
	}
	add_path(fields, "unit", &violation->unit);
	add_path(fields, "cgroup", &violation->cgroup);
}

void violation_fields(const struct violation *violation, struct violation_fields *ret)
{
	ret->count = 0;
	add_number(ret, "v", 1);
	switch (violation->kind) {
	case VIOLATION_ATTEMPT:
		fields_attempt(violation, ret);
		break;
	case VIOLATION_SUMMARY:
		fields_summary(violation, ret);
		break;
	case VIOLATION_ALERT:
		add_path(ret, "alert", &violation->alert);
		add_word(ret, "healed", violation->healed ? "yes" : "no");
		break;
	}
}
