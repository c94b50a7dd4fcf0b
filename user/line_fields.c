// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a line says, field by field: numbers and our own words first, then what the
 * caller could choose, the freest last.
 */
#include "line_fields.h"

#include <string.h>

#include "verdict_word.h"

static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };

static void add(struct line_fields *fields, const struct line_field *field)
{
	fields->field[fields->count++] = *field;
}

static void add_number(struct line_fields *fields, const char *name, uint64_t number)
{
	add(fields, &(struct line_field){ .name = name, .kind = LINE_NUMBER, .number = number });
}

static void add_word(struct line_fields *fields, const char *name, const char *word)
{
	add(fields, &(struct line_field){
			    .name = name, .kind = LINE_WORD, .text = word, .len = strlen(word) });
}

static void add_string(struct line_fields *fields, const char *name, const char *text, size_t len)
{
	add(fields,
	    &(struct line_field){ .name = name, .kind = LINE_STRING, .text = text, .len = len });
}

static void add_path(struct line_fields *fields, const char *name, const struct line_path *path)
{
	add_string(fields, name, path->text, path->len);
}

static void add_destination(struct line_fields *fields, const uint8_t address[16])
{
	/* Cannot fail: both families are known and dst holds the longest address. */
	if (memcmp(address, v4_mapped, sizeof(v4_mapped)) == 0)
		inet_ntop(AF_INET, address + sizeof(v4_mapped), fields->dst, sizeof(fields->dst));
	else
		inet_ntop(AF_INET6, address, fields->dst, sizeof(fields->dst));
	add_word(fields, "dst", fields->dst);
}

static void fields_attempt(const struct line *line, struct line_fields *fields)
{
	add_word(fields, "verdict", verdict_word(line->verdict));
	if (line->rule == SMTPWARD_RULE_NONE)
		add_word(fields, "rule", "default");
	else
		add_number(fields, "rule", line->rule + 1);
	add_destination(fields, line->address);
	add_number(fields, "dport", line->port);
	add_number(fields, "uid", line->uid);
	add_number(fields, "euid", line->euid);
	add_number(fields, "gid", line->egid);
	add_number(fields, "auid", line->auid);
	add_number(fields, "pid", line->pid);
	add_number(fields, "ppid", line->ppid);
	add_number(fields, "netns", line->netns);
	add_number(fields, "cgid", line->cgroup_id);
	add_path(fields, "unit", &line->unit);
	add_path(fields, "cgroup", &line->cgroup);
	add_path(fields, "exe", &line->exe);
	add_string(fields, "parent", line->parent, strlen(line->parent));
	add_string(fields, "comm", line->comm, strlen(line->comm));
}

static void fields_summary(const struct line *line, struct line_fields *fields)
{
	add_number(fields, "suppressed", line->suppressed);
	add_number(fields, "lost", line->lost);
	if (!line->anyone) {
		add_number(fields, "euid", line->euid);
		add_number(fields, "cgid", line->cgroup_id);
	}
	add_path(fields, "unit", &line->unit);
	add_path(fields, "cgroup", &line->cgroup);
}

void line_fields(const struct line *line, struct line_fields *ret)
{
	ret->count = 0;
	add_number(ret, "v", 1);
	switch (line->kind) {
	case LINE_ATTEMPT:
		fields_attempt(line, ret);
		break;
	case LINE_SUMMARY:
		fields_summary(line, ret);
		break;
	case LINE_ALERT:
		add_path(ret, "alert", &line->alert);
		add_word(ret, "healed", line->healed ? "yes" : "no");
		break;
	}
}
