// SPDX-License-Identifier: GPL-2.0-only
/* The alerts about callers that passed the threshold; see passed.h. */
#include "log/passed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/mapped.h"
#include "base/plural.h"
#include "base/span.h"
#include "host/boottime.h"
#include "line/line.h"
#include "pins/object.h"
#include "pins/rows.h"

/* So many bytes of a path or of arguments show. */
#define PASSED_SHOWN 300

/* Alerts that are written before records are read again. */
#define PASSED_AT_ONCE 8

/*
 * The words of an alert. What the caller can choose stands last: directories, file names and
 * arguments are any text.
 */
struct passed_text {
	char dst[LINE_PATH_SIZE];
	size_t len;
};

static void __attribute__((format(printf, 2, 3)))
passed_add(struct passed_text *text, const char *format, ...)
{
	const size_t room = LINE_PATH_SIZE - text->len;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text->dst + text->len, room, format, args);
	va_end(args);
	if (len > 0)
		text->len += (size_t)len < room ? (size_t)len : room - 1;
}

/* A destination, and the attempts at it. */
struct passed_destination {
	uint8_t address[16];
	uint16_t port;
	uint64_t attempts;
};

static int passed_compare_destinations(const void *a, const void *b)
{
	const struct passed_destination *one = a, *other = b;
	const int r = memcmp(one->address, other->address, sizeof(one->address));

	return r ? r : (int)one->port - (int)other->port;
}

/* Users that share one count have the rows of the tenant's users without a count of their own. */
static bool passed_is_of_caller(const struct threshold *threshold,
				const struct smtpward_row_key *row,
				const struct smtpward_caller_key *caller)
{
	if (row->tenant != caller->cgroup_id)
		return false;
	return caller->shared ? !threshold_knows(threshold, row->tenant, row->euid)
			      : row->euid == caller->euid;
}

/* The rows of a caller: one destination has several, if several rules matched. */
static size_t passed_take_destinations(const struct threshold *threshold,
				       const struct rows_table *table,
				       const struct smtpward_caller_key *caller,
				       struct passed_destination *ret)
{
	const struct smtpward_row_key *keys = table->keys;
	const struct smtpward_row *rows = table->values;
	size_t n = 0;

	for (size_t i = 0; i < table->n; i++) {
		if (!passed_is_of_caller(threshold, &keys[i], caller))
			continue;
		ret[n] = (struct passed_destination){ .port = keys[i].port };
		memcpy(ret[n].address, keys[i].address, sizeof(ret[n].address));
		for (int verdict = 0; verdict <= SMTPWARD_ALLOW; verdict++)
			ret[n].attempts += rows[i].attempts[verdict];
		n++;
	}
	return n;
}

/* The one that most attempts were at. */
static struct passed_destination passed_find_top(struct passed_destination *destinations, size_t n)
{
	struct passed_destination top = { .attempts = 0 }, sum = { .attempts = 0 };

	if (n)
		qsort(destinations, n, sizeof(*destinations), passed_compare_destinations);
	for (size_t i = 0; i < n; i++) {
		if (i && !passed_compare_destinations(&destinations[i], &sum))
			sum.attempts += destinations[i].attempts;
		else
			sum = destinations[i];
		if (sum.attempts > top.attempts)
			top = sum;
	}
	return top;
}

/* Sources of the words of alerts. The first alert that needs the rows reads them. */
struct passed_source {
	const struct threshold *threshold;
	const struct pins *pins;
	uint64_t generation;
	struct rows_table rows;
	bool has_rows;
};

static void passed_source_clear(struct passed_source *source)
{
	rows_table_clear(&source->rows);
}

static int passed_read_rows(struct passed_source *source)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (source->has_rows)
		return 0;
	r = object_open_map(source->pins, source->generation, "map_rows", OBJECT_READS,
			    sizeof(struct smtpward_row), &fd);
	if (!r)
		r = rows_read_table(fd, sizeof(struct smtpward_row_key),
				    sizeof(struct smtpward_row), &source->rows);
	source->has_rows = !r;
	return r;
}

static int passed_read_top(struct passed_source *source, const struct smtpward_caller_key *caller,
			   struct passed_destination *ret_top)
{
	_cleanup_free_ struct passed_destination *destinations = NULL;
	int r = passed_read_rows(source);
	size_t n;

	if (r)
		return r;
	destinations = calloc(source->rows.n ?: 1, sizeof(*destinations));
	if (!destinations)
		return -ENOMEM;
	n = passed_take_destinations(source->threshold, &source->rows, caller, destinations);
	*ret_top = passed_find_top(destinations, n);
	return 0;
}

static void passed_add_top(struct passed_text *text, struct passed_source *source,
			   const struct smtpward_caller_key *caller)
{
	struct passed_destination top = { .attempts = 0 };
	char address[INET6_ADDRSTRLEN];
	int r = passed_read_top(source, caller, &top);
	const bool is_v4 = mapped_is_ipv4(top.address);

	if (r)
		passed_add(text, ", and where to cannot be read: %s", strerror(-r));
	if (r || !top.attempts || !top.port)
		return;
	inet_ntop(is_v4 ? AF_INET : AF_INET6, top.address + (is_v4 ? MAPPED_BYTES : 0), address,
		  sizeof(address));
	passed_add(text, ", most to %s port %u (%" PRIu64 " since the count began)", address,
		   top.port, top.attempts);
}

/* The end of a path tells more than its begin. */
static void passed_add_path(struct passed_text *text, const char *name,
			    const struct line_path *path)
{
	const bool whole = path->len <= PASSED_SHOWN;

	if (path->len)
		passed_add(text, "%s %s%s", name, whole ? "" : "...",
			   path->text + (whole ? 0 : path->len - PASSED_SHOWN));
}

static void passed_add_words(struct passed_text *text, const char *name,
			     const struct line_path *words)
{
	const size_t len = words->len < PASSED_SHOWN ? words->len : PASSED_SHOWN;
	char shown[PASSED_SHOWN + 1];

	for (size_t i = 0; i < len; i++)
		shown[i] = words->text[i] ? words->text[i] : ' ';
	shown[len] = '\0';
	if (len)
		passed_add(text, "%s %s%s", name, shown, len < words->len ? "..." : "");
}

static int passed_read_last(const struct passed_source *source,
			    const struct smtpward_caller_key *caller, struct line *ret_line)
{
	struct smtpward_row_last last;
	_cleanup_close_ int fd = -1;
	int r = object_open_map(source->pins, source->generation, "map_row_lasts", OBJECT_READS,
				sizeof(last), &fd);

	if (!r)
		r = rows_read_last(fd, caller, &last);
	return r ? r : line_from_last(&last, ret_line);
}

/* Users that share one count have no last attempt, nor have those that found no room for one. */
static void passed_add_last(struct passed_text *text, const struct passed_source *source,
			    const struct smtpward_caller_key *caller)
{
	struct line line;
	int r = passed_read_last(source, caller, &line);

	if (r && r != -ENOENT)
		passed_add(text, "; the program cannot be read: %s", strerror(-r));
	if (r)
		return;
	passed_add_path(text, "; the last by", &line.exe);
	passed_add_path(text, " in", &line.cwd);
	passed_add_words(text, " as", &line.args);
}

static void passed_add_who(struct passed_text *text, const struct threshold_caller *caller,
			   const struct line *names)
{
	if (caller->key.cgroup_id & SMTPWARD_GUEST_BIT) {
		passed_add(text, "the guest %.*s", (int)sizeof(names->packet.guest),
			   names->packet.guest);
		return;
	}
	if (caller->key.shared)
		passed_add(text, "users without a count of their own");
	else
		passed_add(text, "euid %u", caller->key.euid);
	if (names->unit.len)
		passed_add(text, " of %s", names->unit.text);
	else
		passed_add(text, " of the cgroup %s", names->cgroup.text);
}

static void passed_describe(struct passed_source *source, const struct threshold_caller *caller,
			    const struct line *names, bool last, struct passed_text *text)
{
	const struct threshold *threshold = source->threshold;
	char period[SPAN_SIZE];

	span_text(threshold->period_ns / 1000000000, period);
	passed_add(text, "more than %" PRIu64 " %s within %s: %" PRIu64 " by ", threshold->most,
		   plural(threshold->most, "attempt", "attempts"), period, caller->sum);
	passed_add_who(text, caller, names);
	passed_add_top(text, source, &caller->key);
	if (last)
		passed_add(text, "; no alert about more of its users until one of the %d is over",
			   THRESHOLD_USERS);
	passed_add_last(text, source, &caller->key);
}

static void passed_describe_end(const struct threshold *threshold,
				const struct threshold_caller *caller, const struct line *names,
				struct passed_text *text)
{
	const uint64_t most = threshold->most / 2;
	char period[SPAN_SIZE];

	span_text(threshold->period_ns / 1000000000, period);
	passed_add(text, "no more than %" PRIu64 " %s within %s again: ", most,
		   plural(most, "attempt", "attempts"), period);
	passed_add_who(text, caller, names);
	passed_add(text, ", after %" PRIu64 " %s", caller->total,
		   plural(caller->total, "attempt", "attempts"));
}

static int passed_write_dropped(struct passed *passed, struct drain *drain)
{
	struct passed_text text = { .len = 0 };
	int r;

	if (!passed->dropped)
		return 0;
	passed_add(&text, "the setting alert is another one: %zu %s about attempts %s no end",
		   passed->dropped, plural(passed->dropped, "alert", "alerts"),
		   plural(passed->dropped, "has", "have"));
	r = drain_alert(drain, text.dst, true);
	if (!r)
		passed->dropped = 0;
	return r;
}

static int passed_write_one(struct passed_source *source, struct threshold_caller *caller,
			    bool last, struct drain *drain)
{
	struct passed_text text = { .len = 0 };
	struct line names;
	int r;

	drain_name_caller(drain, &caller->key, &names);
	if (caller->passed)
		passed_describe(source, caller, &names, last, &text);
	else
		passed_describe_end(source->threshold, caller, &names, &text);
	r = drain_alert(drain, text.dst, !caller->passed);
	if (!r)
		caller->told = caller->passed;
	return r;
}

int passed_write(struct passed *passed, const struct pins *pins, struct drain *drain)
{
	_cleanup_(passed_source_clear) struct passed_source source = {
		.threshold = &passed->threshold,
		.pins = pins,
	};
	struct threshold_caller *caller;
	enum object_gate gate;
	bool last;
	int r = passed_write_dropped(passed, drain);

	for (int i = 0; !r && i < PASSED_AT_ONCE; i++) {
		caller = threshold_due(&passed->threshold, &last);
		if (!caller)
			return 0;
		/* Ahead of the words, which take time. */
		r = drain_write_pending(drain);
		/* Half-way through a load: the next second tells. */
		if (!r && object_read_generation(pins, &source.generation, &gate))
			return 0;
		if (!r)
			r = passed_write_one(&source, caller, last, drain);
	}
	return r;
}

/* Half-way through a load this fails: the next look tells then. */
static int passed_read_setting(struct passed *passed, const struct pins *pins,
			       const struct drain *drain)
{
	struct smtpward_policy_info policy;
	enum object_gate gate;
	uint64_t generation;
	size_t told;
	int r = object_read_generation(pins, &generation, &gate);

	if (!r)
		r = object_read(pins, generation, "map_policy", &policy, sizeof(policy));
	if (r)
		return r;
	if (threshold_set(&passed->threshold, policy.alert_attempts, policy.alert_period,
			  drain_callers_max(drain), &told)) {
		passed->attempts = UINT64_MAX;
		passed->dropped += told;
	}
	return 0;
}

static int passed_see(void *userdata, const struct smtpward_caller_key *key,
		      const struct smtpward_caller_counts *counts)
{
	return threshold_see(userdata, key, counts, boottime_now());
}

int passed_look(struct passed *passed, const struct pins *pins, struct drain *drain)
{
	struct threshold *threshold = &passed->threshold;
	uint64_t attempts;
	bool reads;
	int r;

	if (passed_read_setting(passed, pins, drain) || !threshold->most)
		return 0;
	r = drain_count_attempts(drain, &attempts);
	if (r)
		return r;
	reads = attempts != passed->attempts;
	threshold_begin(threshold, reads, boottime_now());
	r = reads ? drain_each_caller(drain, passed_see, threshold) : 0;
	threshold_end(threshold);
	if (!r)
		passed->attempts = attempts;
	return r;
}

void passed_clear(struct passed *passed)
{
	threshold_clear(&passed->threshold);
}
