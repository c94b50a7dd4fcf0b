// SPDX-License-Identifier: GPL-2.0-only
/* Sums of the attempts without a line, by caller; see drain.h. */
#include "log/drain_steps.h"

#include <errno.h>

#include "pins/object.h"
#include "pins/sound.h"

size_t drain_callers_max(const struct drain *drain)
{
	return drain->callers.entries_max;
}

int drain_count_attempts(const struct drain *drain, uint64_t *ret_attempts)
{
	struct smtpward_counters counters;
	int r = object_sum_counters(drain->counters_fd, &counters);

	if (!r)
		*ret_attempts = counters.recorded + counters.suppressed + counters.lost;
	return r;
}

/* For drain_each_caller(). */
struct drain_visit {
	struct drain *drain;
	int (*each)(void *userdata, const struct smtpward_caller_key *key,
		    const struct smtpward_caller_counts *counts);
	void *userdata;
};

static int drain_visit_caller(void *userdata, const struct smtpward_caller_key *key)
{
	const struct drain_visit *visit = userdata;
	struct callers *callers = &visit->drain->callers;
	int r = callers_read_counts(callers, key);

	if (r)
		return r == -ENOENT ? 0 : r;
	return visit->each(visit->userdata, key, callers->counts);
}

int drain_each_caller(struct drain *drain,
		      int (*each)(void *userdata, const struct smtpward_caller_key *key,
				  const struct smtpward_caller_counts *counts),
		      void *userdata)
{
	struct drain_visit visit = { drain, each, userdata };

	return callers_each(&drain->callers, drain_visit_caller, &visit);
}

/* -EBADMSG if the names of the tenant make no sense: then counts have a line without names. */
static int drain_line_of_caller(struct drain *drain, const struct smtpward_caller_key *key,
				uint64_t suppressed, uint64_t lost, struct line *ret)
{
	const struct smtpward_caller nameless = { 0 };
	const struct smtpward_caller *names = callers_find_names(&drain->callers, key);

	return line_from_caller(key, names ?: &nameless, suppressed, lost,
				drain_clock_ns(CLOCK_REALTIME), ret);
}

void drain_name_caller(struct drain *drain, const struct smtpward_caller_key *key,
		       struct line *ret_names)
{
	if (drain_line_of_caller(drain, key, 0, 0, ret_names))
		line_from_anyone(0, 0, 0, ret_names);
}

static void drain_line_from_counts(struct drain *drain, const struct smtpward_caller_key *key,
				   uint64_t suppressed, uint64_t lost, struct line *ret)
{
	if (key->cgroup_id && !drain_line_of_caller(drain, key, suppressed, lost, ret))
		return;
	line_from_anyone(suppressed, lost, drain_clock_ns(CLOCK_REALTIME), ret);
}

/* Writes the line of the caller that was read: 0 if the line is out or none is due, 1 or -errno. */
static int drain_sum_up_caller(struct drain *drain, const struct smtpward_caller_key *key,
			       uint32_t kind)
{
	const struct smtpward_caller_counts *counts = drain->callers.counts;
	const struct smtpward_reported *reported = drain->callers.reported;
	const uint64_t suppressed = counts->suppressed - reported->suppressed;
	const uint64_t lost = counts->lost - reported->lost;
	const struct drain_step step = {
		.kind = kind,
		.key = *key,
		.reported = {
			.born_ns = counts->born_ns,
			.suppressed = counts->suppressed,
			.lost = counts->lost,
			.forgotten = reported->forgotten,
		},
	};

	if (!suppressed && !lost)
		return 0;
	drain_line_from_counts(drain, key, suppressed, lost, &drain->line);
	drain_begin_line(drain, &step);
	return drain_write_pending(drain);
}

/* Deletes the entry of a caller that was idle for long or whose tenant is gone. */
static int drain_forget(struct drain *drain, const struct smtpward_caller_key *key)
{
	int r;

	if (drain->last)
		return 0;
	r = callers_forget(&drain->callers, key);
	/* The entry is deleted: nothing needs to be noted once these counts have their line. */
	return r > 0 ? drain_sum_up_caller(drain, key, SMTPWARD_NOTE_NOTHING) : r;
}

static int drain_sum_up_key(void *userdata, const struct smtpward_caller_key *key)
{
	struct drain *drain = userdata;
	int r = callers_read(&drain->callers, key);

	if (r)
		return r == -ENOENT ? 0 : r;
	r = drain_sum_up_caller(drain, key, SMTPWARD_NOTE_SUMMARY);
	if (r)
		return r;
	return drain_forget(drain, key);
}

static int drain_sum_up_all(struct drain *drain)
{
	int r = drain_sum_up_key(drain, &callers_rest);

	if (r)
		return r;
	return callers_each(&drain->callers, drain_sum_up_key, drain);
}

/* The attempts that there are to sum up. If only their sum is known, there are always new ones. */
static int drain_read_totals(const struct drain *drain, uint64_t *ret_total, uint64_t *ret_gone)
{
	struct smtpward_counters counters;
	int r;

	if (drain->foreign) {
		*ret_total = drain->summed_up + 1;
		*ret_gone = drain->gone;
		return 0;
	}
	r = object_sum_counters(drain->counters_fd, &counters);
	if (r)
		return r;
	*ret_total = counters.suppressed + counters.lost;
	*ret_gone = counters.tenants_gone;
	return 0;
}

/* If sums could not be noted, the next reader, or a load, would write them again. */
static int drain_check_reported(const struct drain *drain)
{
	int frozen = drain->last ? 0 : sound_is_frozen(drain->callers.reported_fd);

	return frozen > 0 ? -EPERM : frozen;
}

static int drain_sum_up_due(struct drain *drain, bool sweep)
{
	uint64_t total, gone;
	int r = drain_read_totals(drain, &total, &gone);

	if (r)
		return r;
	if (total == drain->summed_up && gone == drain->gone && !sweep)
		return 0;
	r = drain_check_reported(drain);
	if (r)
		return r;
	r = drain_write_pending(drain);
	if (r)
		return r;
	drain->callers.finds_gone = sweep || gone != drain->gone;
	drain->callers.gone_left = false;
	r = drain_sum_up_all(drain);
	if (r)
		return r;
	drain->summed_up = total;
	/* An entry that went meanwhile is looked for again. */
	if (!drain->callers.gone_left)
		drain->gone = gone;
	return 0;
}

int drain_summaries(struct drain *drain, bool sweep, struct reason *reason)
{
	int r = drain_sum_up_due(drain, sweep);

	return r < 0 ? drain_fail(drain, r, "cannot sum up map_callers in", reason) : r;
}

static int drain_owes_key(void *userdata, const struct smtpward_caller_key *key)
{
	struct callers *callers = userdata;
	int r = callers_read(callers, key);

	if (r)
		return r == -ENOENT ? 0 : r;
	return callers->counts->suppressed != callers->reported->suppressed ||
	       callers->counts->lost != callers->reported->lost;
}

int drain_owes_sums(struct drain *drain)
{
	int r;

	/* A deleted entry leaves only its line. */
	if (drain->pending && drain->step.kind == SMTPWARD_NOTE_NOTHING &&
	    drain->line.kind != LINE_ALERT)
		return 1;
	r = drain_owes_key(&drain->callers, &callers_rest);
	if (r)
		return r;
	return callers_each(&drain->callers, drain_owes_key, &drain->callers);
}
