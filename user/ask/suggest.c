// SPDX-License-Identifier: GPL-2.0-only
/* Rules of what was seen; see suggest.h. */
#include "ask/suggest.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include <smtpward/match.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "policy/policy_covers.h"

/* A destination that a group has, and the ports there as bits of the policy's. */
struct suggest_target {
	const uint8_t *address;
	uint32_t ports;
};

/* A row of the report that asks for a rule. */
struct suggest_row {
	const struct report_row *row;
};

/* Rows of one user of one tenant that the same rule matched. */
struct suggest_group {
	const struct suggest_row *rows; /* by address and port */
	size_t n_rows;
};

struct suggest_work {
	const struct report *report;
	const struct policy *policy;
	const struct suggest_source *source;
	struct suggest_row *rows;
	size_t n_rows;
	struct suggest_target *targets; /* of the group at hand */
	size_t n_targets;
	struct suggest suggest;
};

static void suggest_work_end(struct suggest_work *work)
{
	free(work->rows);
	free(work->targets);
	suggest_clear(&work->suggest);
}

/* Rows, by group. */

static int suggest_compare_groups(const struct report_row *one, const struct report_row *other)
{
	const uint64_t id = one->tenant->cgroup_id, other_id = other->tenant->cgroup_id;

	if (id != other_id)
		return id < other_id ? -1 : 1;
	if (one->euid != other->euid)
		return one->euid < other->euid ? -1 : 1;
	return one->rule - other->rule;
}

static int suggest_compare_rows(const void *a, const void *b)
{
	const struct report_row *one = ((const struct suggest_row *)a)->row;
	const struct report_row *other = ((const struct suggest_row *)b)->row;
	int r = suggest_compare_groups(one, other);

	if (!r)
		r = memcmp(one->address, other->address, sizeof(one->address));
	return r ? r : one->port - other->port;
}

static int suggest_choose_rows(struct suggest_work *work)
{
	const struct report *report = work->report;

	work->suggest.not_covered = report->rowless;
	for (size_t i = 0; i < report->n_rows; i++) {
		const struct report_row *row = &report->rows[i];
		struct suggest_row *chosen;

		if (!row->attempts[SMTPWARD_AUDIT])
			continue;
		if (report_is_of_guest(row)) {
			work->suggest.of_guests += row->attempts[SMTPWARD_AUDIT];
			continue;
		}
		if (row->kind != REPORT_ROW) {
			work->suggest.not_covered += row->attempts[SMTPWARD_AUDIT];
			continue;
		}
		/* The row's rule is gone: other rows tell what matches now. */
		if (row->rule == REPORT_RULE_FORMER)
			continue;
		chosen = array_add(&work->rows, &work->n_rows, sizeof(*chosen));
		if (!chosen)
			return -ENOMEM;
		chosen->row = row;
	}
	if (work->n_rows)
		qsort(work->rows, work->n_rows, sizeof(*work->rows), suggest_compare_rows);
	return 0;
}

/* Conditions. */

static bool suggest_matches(const char *const *patterns, size_t n_patterns, const char *text)
{
	for (size_t i = 0; i < n_patterns; i++)
		if (!fnmatch(patterns[i], text, FNM_NOESCAPE))
			return true;
	return false;
}

/* Whether "unit" means this cgroup and nothing that lies beside it: below slices alone. */
static bool suggest_is_unit(const struct report_tenant *tenant)
{
	const char *segment = tenant->cgroup;

	while (*segment == '/') {
		const size_t len = strcspn(++segment, "/");

		if (!segment[len])
			return len && !strcmp(segment, tenant->unit) &&
			       !smtpward_is_slice(segment, len);
		if (!smtpward_is_slice(segment, len))
			return false;
		segment += len;
	}
	return false;
}

/* Whether the name has a number or an id that changes: engines, systemd-run and logins do so. */
static bool suggest_is_transient(const char *cgroup)
{
	static const char *const patterns[] = {
		"*/run-*.service", "*/run-*.scope",	"*/session-*.scope", "*/docker-*.scope",
		"*/docker/*",	   "*/libpod-*",	"*/kubepods*",	     "*/cri-containerd-*",
		"*/crio-*",	   "*/machine-*.scope",
	};

	return suggest_matches(patterns, ARRAY_SIZE(patterns), cgroup);
}

/* Whether the tenant is a user's sessions, all of them. */
static bool suggest_is_login(const char *cgroup)
{
	static const char *const patterns[] = { "*/user-*.slice", "*/user-*.slice/*" };

	return suggest_matches(patterns, ARRAY_SIZE(patterns), cgroup);
}

/* The condition on the cgroup; false: none can name it. text is the rule's until the next one. */
static bool suggest_set_cgroup(const struct report_tenant *tenant, char **text,
			       struct policy_rule *rule)
{
	const bool is_unit = suggest_is_unit(tenant);
	struct policy_values *values = &rule->values[is_unit ? SMTPWARD_UNIT : SMTPWARD_CGROUP];

	*text = is_unit ? tenant->unit : tenant->cgroup;
	/* A star would be any name, and a path that was cut is another one. */
	if (**text == '\0' || strchr(*text, '*') || strstr(tenant->cgroup, "/.../"))
		return false;
	values->texts = text;
	values->n = 1;
	return true;
}

/* Destinations of a group. */

static uint32_t suggest_port_bit(const struct policy *policy, uint16_t port)
{
	for (size_t i = 0; i < policy->n_ports; i++)
		if (policy->ports[i] == port)
			return 1U << i;
	return 0;
}

/* Collects the targets of a group. Ports that the policy guards no more need no rule. */
static int suggest_find_targets(struct suggest_work *work, const struct suggest_group *group)
{
	work->n_targets = 0;
	free(work->targets);
	work->targets = NULL;
	for (size_t i = 0; i < group->n_rows; i++) {
		const uint32_t port = suggest_port_bit(work->policy, group->rows[i].row->port);
		struct suggest_target *target =
			work->n_targets ? &work->targets[work->n_targets - 1] : NULL;

		if (!port)
			continue;
		if (!target || memcmp(target->address, group->rows[i].row->address, 16) != 0)
			target = array_add(&work->targets, &work->n_targets, sizeof(*target));
		if (!target)
			return -ENOMEM;
		target->address = group->rows[i].row->address;
		target->ports |= port;
	}
	return 0;
}

static bool suggest_has_ports(const struct suggest_work *work, const struct report_row *row,
			      uint32_t ports)
{
	return suggest_port_bit(work->policy, row->port) & ports;
}

/* Doubts. */

static unsigned int suggest_doubt_path(const struct suggest_work *work,
				       const struct report_row *row, const char *path,
				       unsigned int writable, unsigned int unknown)
{
	enum writable by;

	/* A container's paths are not the host's. */
	if (row->tenant->container.engine != CONTAINER_NONE)
		return 0;
	by = path ? work->source->writable(work->source->userdata, path, row->euid)
		  : WRITABLE_UNKNOWN;
	return by == WRITABLE_USER ? writable : by == WRITABLE_UNKNOWN ? unknown : 0;
}

/*
 * A mail service's own delivery, which may have many destinations: one of these programs, which
 * root alone can change, in a unit of root's. The account has to be the mail service's, too: a
 * site's user can start such a program, and the last attempt of that user stands for all of them.
 */
static bool suggest_is_mta(const struct suggest_work *work, const struct report_row *row)
{
	static const char *const programs[] = { "courieresmtp", "dma",		"exim", "exim4",
						"lmtp",		"qmail-remote", "smtp", "smtpd" };
	static const char *const accounts[] = { "Debian-exim", "courier", "exim",   "mail",
						"opensmtpd",   "postfix", "qmailr", "smtpd",
						"_smtpd",      "nullmail" };
	const struct suggest_source *source = work->source;
	const char *name = row->exe ? strrchr(row->exe, '/') : NULL;

	return name && row->user && row->euid < SUGGEST_FIRST_PERSON &&
	       row->tenant->container.engine == CONTAINER_NONE && suggest_is_unit(row->tenant) &&
	       suggest_matches(programs, ARRAY_SIZE(programs), name + 1) &&
	       suggest_matches(accounts, ARRAY_SIZE(accounts), row->user) &&
	       source->writable(source->userdata, row->exe, row->euid) == WRITABLE_ROOT &&
	       source->unit_is_roots(source->userdata, row->tenant->unit);
}

static unsigned int suggest_find_doubts(const struct suggest_work *work,
					const struct suggestion *suggestion)
{
	const struct report_row *row = suggestion->row;
	unsigned int doubts = 0;

	if (suggestion->destinations > SUGGEST_DESTINATIONS && !suggestion->mta)
		doubts |= SUGGEST_MANY;
	if (row->tenant->counts.other.attempts[SMTPWARD_AUDIT] && !suggestion->mta)
		doubts |= SUGGEST_ROWLESS;
	doubts |= row->exe_deleted ? SUGGEST_EXE_DELETED
				   : suggest_doubt_path(work, row, row->exe, SUGGEST_EXE_WRITABLE,
							SUGGEST_EXE_UNKNOWN);
	/* An MTA runs in its spool. */
	if (!suggestion->mta)
		doubts |= row->cwd_deleted
				  ? SUGGEST_CWD_DELETED
				  : suggest_doubt_path(work, row, row->cwd, SUGGEST_CWD_WRITABLE,
						       SUGGEST_CWD_UNKNOWN);
	if (row->rule >= 0 && (size_t)row->rule < work->policy->n_rules &&
	    work->policy->rules[row->rule].verdict == SMTPWARD_DENY)
		doubts |= SUGGEST_DENIED;
	if (suggest_is_transient(row->tenant->cgroup))
		doubts |= SUGGEST_TRANSIENT;
	if (suggest_is_login(row->tenant->cgroup))
		doubts |= SUGGEST_LOGIN;
	if (!strcmp(row->tenant->cgroup, "/"))
		doubts |= SUGGEST_ROOT;
	return doubts;
}

/* Suggestions. */

static void suggest_add_evidence(const struct report_row *row, struct suggestion *suggestion)
{
	const uint64_t attempts = row->attempts[SMTPWARD_AUDIT];

	if (!suggestion->row || attempts > suggestion->row->attempts[SMTPWARD_AUDIT])
		suggestion->row = row;
	suggestion->attempts += attempts;
	if (!suggestion->first || (row->first && row->first < suggestion->first))
		suggestion->first = row->first;
	if (row->last > suggestion->last)
		suggestion->last = row->last;
}

/* Whether an allow rule does already, before the rule that matched (REPORT_RULE_DEFAULT: none). */
static bool suggest_is_covered(const struct suggest_work *work, const struct policy_rule *rule,
			       int before)
{
	const size_t n = before < 0 ? work->policy->n_rules : (size_t)before;

	for (size_t i = 0; i < n && i < work->policy->n_rules; i++)
		if (work->policy->rules[i].verdict == SMTPWARD_ALLOW &&
		    policy_rule_covers(work->policy, &work->policy->rules[i], rule))
			return true;
	return false;
}

/* The values that a rule points to while it is printed. */
struct suggest_values {
	char *cgroup;
	struct policy_id user;
	struct policy_prefix prefixes[SUGGEST_DESTINATIONS];
	uint16_t ports[SMTPWARD_PORTS_MAX];
};

static void suggest_set_user(const struct report_row *row, struct suggest_values *values,
			     struct policy_rule *rule)
{
	values->user = (struct policy_id){ .name = row->user, .id = row->euid };
	rule->values[SMTPWARD_USER].ids = &values->user;
	rule->values[SMTPWARD_USER].n = 1;
}

/* If the policy guards one port, every rule is about it. */
static void suggest_set_ports(const struct policy *policy, uint32_t ports,
			      struct suggest_values *values, struct policy_rule *rule)
{
	struct policy_values *set = &rule->values[SMTPWARD_PORT];

	if (policy->n_ports < 2)
		return;
	set->ports = values->ports;
	for (size_t i = 0; i < policy->n_ports; i++)
		if (ports & 1U << i)
			values->ports[set->n++] = policy->ports[i];
}

/* The destinations that have exactly these ports. */
static void suggest_set_prefixes(const struct suggest_work *work, uint32_t ports,
				 struct suggest_values *values, struct policy_rule *rule)
{
	struct policy_values *set = &rule->values[SMTPWARD_TO];

	set->prefixes = values->prefixes;
	for (size_t i = 0; i < work->n_targets; i++) {
		struct policy_prefix *prefix = &values->prefixes[set->n];

		if (work->targets[i].ports != ports)
			continue;
		memcpy(prefix->address, work->targets[i].address, sizeof(prefix->address));
		prefix->bits = 128;
		set->n++;
	}
}

/* Whether the rule for these ports is about the row. many: the rule names no destination. */
static bool suggest_is_about(const struct suggest_work *work, const struct report_row *row,
			     uint32_t ports, bool many)
{
	if (!suggest_has_ports(work, row, ports))
		return false;
	for (size_t i = 0; !many && i < work->n_targets; i++)
		if (!memcmp(work->targets[i].address, row->address, sizeof(row->address)))
			return work->targets[i].ports == ports;
	return many;
}

/* The rule for these ports of a group. many: of every destination, which it does not name. */
static int suggest_add_rule(struct suggest_work *work, const struct suggest_group *group,
			    uint32_t ports, bool many)
{
	struct suggestion suggestion = { .before = group->rows[0].row->rule }, *added;
	struct policy_rule rule = { .verdict = SMTPWARD_ALLOW };
	struct suggest_values values = { 0 };
	bool named;
	int r;

	for (size_t i = 0; i < group->n_rows; i++)
		if (suggest_is_about(work, group->rows[i].row, ports, many))
			suggest_add_evidence(group->rows[i].row, &suggestion);
	named = suggest_set_cgroup(suggestion.row->tenant, &values.cgroup, &rule);
	suggest_set_user(suggestion.row, &values, &rule);
	suggest_set_ports(work->policy, ports, &values, &rule);
	if (!many)
		suggest_set_prefixes(work, ports, &values, &rule);
	if (named && suggest_is_covered(work, &rule, suggestion.before))
		return 0;
	suggestion.destinations = many ? work->n_targets : rule.values[SMTPWARD_TO].n;
	suggestion.mta = suggest_is_mta(work, suggestion.row);
	suggestion.doubts = suggest_find_doubts(work, &suggestion);
	r = named ? policy_print_rule(&rule, &suggestion.rule) : 0;
	if (r)
		return r;
	added = array_add(&work->suggest.items, &work->suggest.n_items, sizeof(*added));
	if (!added) {
		free(suggestion.rule);
		return -ENOMEM;
	}
	*added = suggestion;
	return 0;
}

/* One rule for all destinations if they are many; else one for those that have the same ports. */
static int suggest_add_group(struct suggest_work *work, const struct suggest_group *group)
{
	uint32_t all = 0;
	int r = suggest_find_targets(work, group);

	for (size_t i = 0; i < work->n_targets; i++)
		all |= work->targets[i].ports;
	if (r || !all)
		return r;
	if (work->n_targets > SUGGEST_DESTINATIONS)
		return suggest_add_rule(work, group, all, true);
	for (size_t i = 0; !r && i < work->n_targets; i++) {
		bool done = false;

		for (size_t before = 0; before < i; before++)
			done |= work->targets[before].ports == work->targets[i].ports;
		if (!done)
			r = suggest_add_rule(work, group, work->targets[i].ports, false);
	}
	return r;
}

static int suggest_add_groups(struct suggest_work *work)
{
	int r = 0;

	for (size_t i = 0, n; !r && i < work->n_rows; i += n) {
		struct suggest_group group = { .rows = &work->rows[i] };

		for (n = 1; i + n < work->n_rows; n++)
			if (suggest_compare_groups(work->rows[i].row, work->rows[i + n].row))
				break;
		group.n_rows = n;
		r = suggest_add_group(work, &group);
	}
	return r;
}

/* Suggestions that belong before a rule come first, by that rule; then, those without a doubt. */
static int suggest_compare(const void *a, const void *b)
{
	const struct suggestion *one = a, *other = b;

	if (one->before != other->before) {
		if (one->before < 0 || other->before < 0)
			return one->before < 0 ? 1 : -1;
		return one->before - other->before;
	}
	if (!one->doubts != !other->doubts)
		return one->doubts ? 1 : -1;
	if (one->attempts != other->attempts)
		return one->attempts > other->attempts ? -1 : 1;
	return suggest_compare_rows(&(struct suggest_row){ one->row },
				    &(struct suggest_row){ other->row });
}

int suggest_build(const struct report *report, const struct policy *policy,
		  const struct suggest_source *source, struct suggest *ret_suggest)
{
	struct suggest_work work = { .report = report, .policy = policy, .source = source };
	int r = suggest_choose_rows(&work);

	if (!r)
		r = suggest_add_groups(&work);
	if (!r) {
		if (work.suggest.n_items)
			qsort(work.suggest.items, work.suggest.n_items, sizeof(*work.suggest.items),
			      suggest_compare);
		*ret_suggest = work.suggest;
		work.suggest = (struct suggest){ 0 };
	}
	suggest_work_end(&work);
	return r;
}

void suggest_clear(struct suggest *suggest)
{
	for (size_t i = 0; i < suggest->n_items; i++)
		free(suggest->items[i].rule);
	free(suggest->items);
	*suggest = (struct suggest){ 0 };
}
