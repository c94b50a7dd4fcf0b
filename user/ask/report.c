// SPDX-License-Identifier: GPL-2.0-only
/* Rows for people; see report.h. */
#include "ask/report.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "base/mapped.h"
#include "line/line.h"
#include "pins/rows.h"

/* The last attempt of a user of a tenant, sorted by both. */
struct report_last {
	const struct smtpward_caller_key *key;
	const struct smtpward_row_last *last;
};

/* State of a report in the making. */
struct report_work {
	const struct rows *from;
	const struct smtpward_rule_info *rules;
	size_t n_rules;
	const struct report_source *source;
	const struct report_filter *filter;
	struct report_last *lasts;
	size_t n_lasts;
	struct line line; /* room to join names in */
	struct report report;
};

static void report_work_end(struct report_work *work)
{
	free(work->lasts);
	report_clear(&work->report);
}

static uint64_t report_utc(const struct report_work *work, uint64_t boottime)
{
	return boottime ? boottime + work->source->utc_offset : 0;
}

/* Tenants. */

static const struct smtpward_row_names *report_find_names(const struct rows *rows, uint64_t id)
{
	const uint64_t *ids = rows->names.keys;
	const struct smtpward_row_names *names = rows->names.values;

	for (size_t i = 0; i < rows->names.n; i++)
		if (ids[i] == id)
			return &names[i];
	return NULL;
}

static char *report_copy(const struct line_path *path)
{
	return strndup(path->text, path->len);
}

/* Names that make no sense, or are not there, leave the line without. */
static void report_read_names(struct report_work *work, uint64_t id)
{
	const struct smtpward_row_names *names = report_find_names(work->from, id);
	const struct smtpward_caller_key key = { .cgroup_id = id, .shared = 1 };
	struct smtpward_caller caller = { .flags = 0 };

	if (names) {
		caller.cgroup_len = names->cgroup_len;
		caller.flags = names->flags;
		memcpy(caller.cgroup, names->cgroup, sizeof(caller.cgroup));
	}
	if (!line_from_caller(&key, &caller, 0, 0, 0, &work->line))
		return;
	caller.flags = 0;
	line_from_caller(&key, &caller, 0, 0, 0, &work->line);
}

static int report_name_tenant(struct report_work *work, struct report_tenant *tenant)
{
	report_read_names(work, tenant->cgroup_id);
	tenant->guest = strndup(work->line.packet.guest, sizeof(work->line.packet.guest));
	tenant->unit = report_copy(&work->line.unit);
	tenant->cgroup = report_copy(&work->line.cgroup);
	if (!tenant->guest || !tenant->unit || !tenant->cgroup)
		return -ENOMEM;
	if (container_from_cgroup(tenant->cgroup, &tenant->container))
		work->source->container(work->source->userdata, &tenant->container);
	return 0;
}

static int report_compare_tenants(const void *a, const void *b)
{
	const struct report_tenant *one = a, *other = b;

	return one->cgroup_id < other->cgroup_id ? -1 : one->cgroup_id > other->cgroup_id;
}

static int report_add_tenants(struct report_work *work)
{
	const struct smtpward_row_tenant *counts = work->from->tenants.values;
	const uint64_t *ids = work->from->tenants.keys;
	struct report *report = &work->report;

	for (size_t i = 0; i < work->from->tenants.n; i++) {
		struct report_tenant *tenant =
			array_add(&report->tenants, &report->n_tenants, sizeof(*tenant));
		int r;

		if (!tenant)
			return -ENOMEM;
		tenant->cgroup_id = ids[i];
		tenant->counts = counts[i];
		tenant->gone = report_utc(work, counts[i].gone_ns);
		r = report_name_tenant(work, tenant);
		if (r)
			return r;
	}
	if (report->n_tenants)
		qsort(report->tenants, report->n_tenants, sizeof(*report->tenants),
		      report_compare_tenants);
	return 0;
}

static const struct report_tenant *report_find_tenant(const struct report *report, uint64_t id)
{
	const struct report_tenant key = { .cgroup_id = id };

	return report->n_tenants ? bsearch(&key, report->tenants, report->n_tenants, sizeof(key),
					   report_compare_tenants)
				 : NULL;
}

/* Users, and their last attempts. Of one that is shared there is none. */

static int report_compare_lasts(const void *a, const void *b)
{
	const struct smtpward_caller_key *one = ((const struct report_last *)a)->key;
	const struct smtpward_caller_key *other = ((const struct report_last *)b)->key;

	if (one->cgroup_id != other->cgroup_id)
		return one->cgroup_id < other->cgroup_id ? -1 : 1;
	return one->euid < other->euid ? -1 : one->euid > other->euid;
}

static int report_sort_lasts(struct report_work *work)
{
	const struct smtpward_caller_key *keys = work->from->lasts.keys;
	const struct smtpward_row_last *lasts = work->from->lasts.values;

	for (size_t i = 0; i < work->from->lasts.n; i++) {
		struct report_last *last = array_add(&work->lasts, &work->n_lasts, sizeof(*last));

		if (!last)
			return -ENOMEM;
		*last = (struct report_last){ &keys[i], &lasts[i] };
	}
	if (work->n_lasts)
		qsort(work->lasts, work->n_lasts, sizeof(*work->lasts), report_compare_lasts);
	return 0;
}

/* The last attempt that had a line: by the path of its program. */
static int report_set_last(struct report_work *work, const struct smtpward_row_last *last,
			   struct report_row *row)
{
	row->exe_at = report_utc(work, last->time_ns);
	if (line_from_last(last, &work->line))
		return 0;
	row->exe_deleted = last->flags & SMTPWARD_EXE_DELETED;
	row->cwd_deleted = last->flags & SMTPWARD_CWD_DELETED;
	if (work->line.exe.len && !(row->exe = report_copy(&work->line.exe)))
		return -ENOMEM;
	if (work->line.cwd.len && !(row->cwd = report_copy(&work->line.cwd)))
		return -ENOMEM;
	return 0;
}

static int report_find_last(struct report_work *work, struct report_row *row)
{
	const struct smtpward_caller_key key = {
		.cgroup_id = row->tenant->cgroup_id,
		.euid = row->euid,
	};
	const struct report_last wanted = { .key = &key }, *found;

	if (!work->n_lasts)
		return 0;
	found = bsearch(&wanted, work->lasts, work->n_lasts, sizeof(wanted), report_compare_lasts);
	return found ? report_set_last(work, found->last, row) : 0;
}

/* Rows. */

static int report_find_rule(const struct report_work *work, uint64_t hash)
{
	if (hash == SMTPWARD_ROW_DEFAULT)
		return REPORT_RULE_DEFAULT;
	for (size_t i = 0; i < work->n_rules; i++)
		if (work->rules[i].hash == hash)
			return (int)i;
	return REPORT_RULE_FORMER;
}

static bool report_text_matches(const char *pattern, const char *text)
{
	return *text && !fnmatch(pattern, text, FNM_NOESCAPE);
}

/* By its device, with or without the word before it that a row shows. */
static bool report_guest_matches(const char *pattern, const char *guest)
{
	static const char word[] = "guest ";

	if (!strncmp(pattern, word, strlen(word)))
		pattern += strlen(word);
	return report_text_matches(pattern, guest);
}

static bool report_tenant_matches(const char *pattern, const struct report_tenant *tenant)
{
	return !pattern || (tenant && (report_text_matches(pattern, tenant->unit) ||
				       report_text_matches(pattern, tenant->cgroup) ||
				       report_guest_matches(pattern, tenant->guest) ||
				       report_text_matches(pattern, tenant->container.name) ||
				       report_text_matches(pattern, tenant->container.id)));
}

/* As in a policy: a prefix of IPv6 holds no IPv4, whose addresses are ::ffff:a.b.c.d here. */
static bool report_prefix_holds(const struct policy_prefix *prefix, const uint8_t address[16])
{
	const uint32_t bytes = prefix->bits / 8, bits = prefix->bits % 8;
	const uint8_t mask = (uint8_t)(0xff00 >> bits);

	if (prefix->bits < MAPPED_BITS && mapped_is_ipv4(address))
		return false;
	return !memcmp(prefix->address, address, bytes) &&
	       (!bits || (prefix->address[bytes] & mask) == (address[bytes] & mask));
}

/* A row of several users or destinations meets no condition on one user or destination. */
static bool report_is_of_several(const struct report_filter *filter, const struct report_row *row)
{
	return row->kind != REPORT_ROW && (filter->has_user || filter->has_to);
}

bool report_is_of_guest(const struct report_row *row)
{
	return row->tenant && row->tenant->cgroup_id & SMTPWARD_GUEST_BIT;
}

static bool report_matches(const struct report_filter *filter, const struct report_row *row)
{
	const bool several = report_is_of_several(filter, row);
	const bool guest = report_is_of_guest(row);

	return report_tenant_matches(filter->unit, row->tenant) &&
	       (several || !filter->has_user || (!guest && row->euid == filter->user)) &&
	       (!filter->has_verdict || row->attempts[filter->verdict]) &&
	       (several || !filter->has_to ||
		(report_prefix_holds(&filter->to, row->address) &&
		 (!filter->port || row->port == filter->port))) &&
	       row->last >= filter->since;
}

static void report_set_counts(const struct report_work *work, const struct smtpward_row *counts,
			      struct report_row *row)
{
	for (int verdict = 0; verdict <= SMTPWARD_ALLOW; verdict++) {
		row->attempts[verdict] = counts->attempts[verdict];
		row->total += counts->attempts[verdict];
	}
	row->first = report_utc(work, counts->first_ns);
	row->last = report_utc(work, counts->last_ns);
}

/* A row that was made and not counted in yet is none. */
static int report_add(struct report_work *work, const struct report_row *row)
{
	struct report *report = &work->report;
	struct report_row *added;

	if (!row->total || !report_matches(work->filter, row))
		return 0;
	if (report_is_of_several(work->filter, row)) {
		report->rowless += row->total;
		return 0;
	}
	added = array_add(&report->rows, &report->n_rows, sizeof(*added));
	if (!added)
		return -ENOMEM;
	*added = *row;
	report->attempts += row->total;
	return row->kind == REPORT_ROW ? report_find_last(work, added) : 0;
}

static int report_add_row(struct report_work *work, const struct smtpward_row_key *key,
			  const struct smtpward_row *counts)
{
	struct report_row row = {
		.kind = REPORT_ROW,
		.tenant = report_find_tenant(&work->report, key->tenant),
		.euid = key->euid,
		.rule = report_find_rule(work, key->rule),
		.port = key->port,
	};

	/* A load took the tenant away between the reading of rows and that of tenants. */
	if (!row.tenant)
		return 0;
	memcpy(row.address, key->address, sizeof(row.address));
	report_set_counts(work, counts, &row);
	return report_add(work, &row);
}

static int report_add_rows(struct report_work *work)
{
	const struct smtpward_row_key *keys = work->from->rows.keys;
	const struct smtpward_row *values = work->from->rows.values;
	struct report_row rest = { .kind = REPORT_REST, .rule = REPORT_RULE_FORMER };
	int r = 0;

	for (size_t i = 0; !r && i < work->from->rows.n; i++)
		r = report_add_row(work, &keys[i], &values[i]);
	for (size_t i = 0; !r && i < work->report.n_tenants; i++) {
		struct report_row other = {
			.kind = REPORT_OTHER,
			.tenant = &work->report.tenants[i],
			.rule = REPORT_RULE_FORMER,
		};

		report_set_counts(work, &other.tenant->counts.other, &other);
		r = report_add(work, &other);
	}
	if (r)
		return r;
	report_set_counts(work, &work->from->used.rest, &rest);
	return report_add(work, &rest);
}

static int report_compare_users(const void *a, const void *b)
{
	const struct report_row *one = a, *other = b;

	if (one->kind != other->kind)
		return one->kind < other->kind ? -1 : 1;
	return one->euid < other->euid ? -1 : one->euid > other->euid;
}

/* Each user is asked for once, however many rows are his. */
static int report_name_users(struct report_work *work)
{
	struct report_row *rows = work->report.rows;

	if (work->report.n_rows)
		qsort(rows, work->report.n_rows, sizeof(*rows), report_compare_users);
	for (size_t i = 0; i < work->report.n_rows && rows[i].kind == REPORT_ROW; i++) {
		if (report_is_of_guest(&rows[i]))
			continue;
		if (!i || report_is_of_guest(&rows[i - 1]) || rows[i].euid != rows[i - 1].euid)
			rows[i].user = work->source->user(work->source->userdata, rows[i].euid);
		else if (rows[i - 1].user && !(rows[i].user = strdup(rows[i - 1].user)))
			return -ENOMEM;
	}
	return 0;
}

/* More attempts first; then the later; then an order that is the same each time. */
static int report_compare_rows(const void *a, const void *b)
{
	const struct report_row *one = a, *other = b;
	const uint64_t id = one->tenant ? one->tenant->cgroup_id : 0;
	const uint64_t other_id = other->tenant ? other->tenant->cgroup_id : 0;
	int r;

	if (one->total != other->total)
		return one->total > other->total ? -1 : 1;
	if (one->last != other->last)
		return one->last > other->last ? -1 : 1;
	if (id != other_id)
		return id < other_id ? -1 : 1;
	if (one->euid != other->euid)
		return one->euid < other->euid ? -1 : 1;
	r = memcmp(one->address, other->address, sizeof(one->address));
	if (r)
		return r;
	return one->port != other->port ? one->port - other->port : one->rule - other->rule;
}

static int report_make(struct report_work *work)
{
	int r = report_add_tenants(work);

	if (r)
		return r;
	r = report_sort_lasts(work);
	if (r)
		return r;
	r = report_add_rows(work);
	if (r)
		return r;
	r = report_name_users(work);
	if (r)
		return r;
	if (work->report.n_rows)
		qsort(work->report.rows, work->report.n_rows, sizeof(*work->report.rows),
		      report_compare_rows);
	return 0;
}

int report_build(const struct rows *rows, const struct smtpward_rule_info *rules, size_t n_rules,
		 const struct report_source *source, const struct report_filter *filter,
		 struct report *ret_report)
{
	_cleanup_free_ struct report_work *work = calloc(1, sizeof(*work));
	int r;

	if (!work)
		return -ENOMEM;
	work->from = rows;
	work->rules = rules;
	work->n_rules = n_rules;
	work->source = source;
	work->filter = filter;
	r = report_make(work);
	if (!r) {
		*ret_report = work->report;
		work->report = (struct report){ 0 };
	}
	report_work_end(work);
	return r;
}

void report_clear(struct report *report)
{
	for (size_t i = 0; i < report->n_tenants; i++) {
		free(report->tenants[i].guest);
		free(report->tenants[i].unit);
		free(report->tenants[i].cgroup);
	}
	for (size_t i = 0; i < report->n_rows; i++) {
		free(report->rows[i].user);
		free(report->rows[i].exe);
		free(report->rows[i].cwd);
	}
	free(report->tenants);
	free(report->rows);
	*report = (struct report){ 0 };
}
