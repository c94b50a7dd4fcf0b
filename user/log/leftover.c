// SPDX-License-Identifier: GPL-2.0-only
/* The records that other generations have left behind; see leftover.h. */
#include "log/leftover.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "line/line.h"
#include "pins/object.h"
#include "pins/pins.h"
#include "pins/trial.h"

/* How long a logger may take to notice, and a sink to take the lines. */
#define PATIENCE_NS 10000000000ULL

#define PAUSE_NS 100000000

#define LEFTOVER_UNREADABLE_TEXT                                                                \
	"the records from before the load cannot all be read: somebody has moved the reader's " \
	"position in map_events"

static void leftover_pause(void)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };

	nanosleep(&pause, NULL);
}

/*
 * Waits until every connect that began before the call is through the old programs, which then
 * record nothing more. The kernel runs the programs of a cgroup under RCU, and
 * MEMBARRIER_CMD_GLOBAL is a grace period. If the machine has CPUs without a tick, which that call
 * leaves out, a pause is used that outlasts every program.
 */
static void leftover_wait_for_programs(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		leftover_pause();
}

static int leftover_lock_reader(const struct pins *pins, int *ret_fd, struct reason *reason)
{
	pid_t holder = 0;
	int r = -EBUSY;

	for (uint64_t waited = 0; r == -EBUSY && waited < PATIENCE_NS; waited += PAUSE_NS) {
		if (waited)
			leftover_pause();
		r = pins_lock_reader(pins, ret_fd, &holder);
	}
	if (r == -EBUSY)
		return reason_set(reason, r, "%s is still being read by process %d", pins->path,
				  (int)holder);
	if (r)
		return reason_errno(reason, r, "cannot lock %s for reading", pins->path);
	return 0;
}

static int leftover_remove_generation(const char *path, uint64_t generation, struct reason *reason)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	int r = pins_open_locked(path, false, &pins, reason);

	if (r)
		return r;
	r = pins_remove_generation(&pins, generation);
	if (r)
		return reason_errno(reason, r, "cannot remove what was drained from %s", path);
	return 0;
}

/* Tries for as long as drain_all() tries the lines before the alert. */
static int leftover_write_alert(struct sink *sink, const char *text, struct reason *reason)
{
	struct line line;
	struct timespec now;
	int r = -EAGAIN;

	clock_gettime(CLOCK_REALTIME, &now);
	line_from_alert(text, true, (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec, &line);
	for (uint64_t waited = 0; r && waited < PATIENCE_NS; waited += PAUSE_NS) {
		if (waited)
			leftover_pause();
		r = sink_write(sink, &line, NULL);
	}
	return r ? reason_errno(reason, r, "cannot write an alert") : 0;
}

static int leftover_drain_all(struct drain *drain, struct sink *sink,
			      const struct drain_notices *notices, struct drain_report *report,
			      struct reason *reason)
{
	int r = drain_begin(drain, sink, notices, reason);

	if (r)
		return r;
	r = drain_all(drain, PATIENCE_NS, reason);
	report->lines += drain_report(drain).lines;
	report->summed_up += drain_report(drain).summed_up;
	return r;
}

/* Errors that no later load could mend. */
static bool leftover_is_spoiled(int r)
{
	return r == -EBADMSG || r == -EINVAL || r == -EPERM || r == -E2BIG;
}

static int leftover_drain_generation(const struct pins *pins, uint64_t generation,
				     struct sink *sink, const struct drain_notices *notices,
				     struct drain_report *report, struct reason *reason)
{
	_cleanup_(drain_freep) struct drain *drain = NULL;
	char text[sizeof(reason->text) + 64];
	int r = drain_open(pins, generation, DRAIN_LAST, &drain, reason);

	/* A crash came between draining the generation and removing all of it. */
	if (r == -ENOENT)
		return 0;
	if (!r)
		r = leftover_drain_all(drain, sink, notices, report, reason);
	if (r && !leftover_is_spoiled(r))
		return r;
	if (r) {
		snprintf(text, sizeof(text), "what was recorded before the load is lost: %s",
			 reason->text);
		return leftover_write_alert(sink, text, reason);
	}
	if (drain_left_out(drain))
		return leftover_write_alert(sink, LEFTOVER_UNREADABLE_TEXT, reason);
	return 0;
}

/*
 * Lists the leftover generations while no load is under way, so that none is still being made. The
 * generation that a trial goes back to is not left over.
 */
static int leftover_list_generations(const char *path, uint64_t **ret_generations, size_t *ret_n,
				     uint64_t *ret_deciding, uint64_t *ret_fallback,
				     struct reason *reason)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	_cleanup_free_ uint64_t *generations = NULL;
	enum object_gate gate;
	struct trial trial;
	size_t n = 0;
	int r = pins_open_shared(path, false, &pins, reason);

	if (r)
		return r;
	r = object_read_generation(&pins, ret_deciding, &gate);
	if (!r)
		r = trial_read(&pins, *ret_deciding, &trial);
	if (r)
		return reason_errno(reason, r, "cannot tell the policy in %s", path);
	*ret_fallback = trial.phase == TRIAL_NONE ? 0 : trial.fallback;
	r = pins_list_generations(&pins, &generations, &n);
	if (r)
		return reason_errno(reason, r, "cannot list %s", path);
	*ret_generations = TAKE_PTR(generations);
	*ret_n = n;
	return 0;
}

int leftover_drain(const char *path, struct sink *sink, const struct drain_notices *notices,
		   struct drain_report *report, struct reason *reason)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	_cleanup_free_ uint64_t *generations = NULL;
	_cleanup_close_ int reader_lock = -1;
	uint64_t deciding, fallback;
	size_t n = 0;
	int r = leftover_list_generations(path, &generations, &n, &deciding, &fallback, reason);

	if (r)
		return r;
	r = pins_open(path, &pins, reason);
	if (r)
		return r;
	r = leftover_lock_reader(&pins, &reader_lock, reason);
	if (r)
		return r;
	leftover_wait_for_programs();
	for (size_t i = 0; i < n; i++) {
		if (generations[i] == deciding || generations[i] == fallback)
			continue;
		r = leftover_drain_generation(&pins, generations[i], sink, notices, report, reason);
		if (r)
			return r;
		r = leftover_remove_generation(path, generations[i], reason);
		if (r)
			return r;
	}
	return 0;
}
