// SPDX-License-Identifier: GPL-2.0-only
/* Sinks with messages; see say_sinks.h. */
#include "cli/say_sinks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/plural.h"
#include "cli/msg.h"

/* How long a sink must miss nothing to count as taking lines again. */
#define CALM_SECONDS 5

/* The last messages about one sink. */
struct say_sink {
	int reopen;	   /* the error of a failed reopen that was told; 0 */
	bool missing;	   /* it was told that the sink misses lines */
	uint64_t missed;   /* how many missed lines were told */
	uint64_t last;	   /* lines missed up to a second ago */
	unsigned int calm; /* seconds without another missed line */
};

/* The error's text for a file that is to be a log, which errno's own text would not explain. */
static const char *say_sinks_explain(int err)
{
	if (err == -EINVAL)
		return "it is not a regular file";
	if (err == -ELOOP)
		return "it is a symbolic link; name the file itself";
	if (err == -EPERM)
		return "others than root may write to it or to a directory on the way to it, or it "
		       "has two names, or it is immutable; name a file in a directory of root's";
	if (err == -EBUSY)
		return SINK_BUSY_TEXT;
	return strerror(-err);
}

/* Compares the i-th name with those before it. */
static enum command_result say_sinks_check(const char *const *names, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (!sink_same_place(names[i], names[j]))
			continue;
		if (strcmp(names[i], names[j]) != 0)
			msg_error("--to %s stands twice: it is where --to %s is: name each place "
				  "once",
				  names[i], names[j]);
		else
			msg_error("--to %s stands twice: name each place once", names[i]);
		return COMMAND_BAD_INPUT;
	}
	return COMMAND_DONE;
}

/* Compares all names before any sink is opened. */
static enum command_result say_sinks_check_all(const char *const *names, size_t n)
{
	enum command_result result = COMMAND_DONE;

	for (size_t i = 1; i < n && result == COMMAND_DONE; i++)
		result = say_sinks_check(names, i);
	return result;
}

/* Opens the sinks. The caller closes the opened ones, even after a failure. */
static enum command_result say_sinks_open_each(const char *const *names, size_t n,
					       struct sink_outlet *outlets)
{
	for (size_t i = 0; i < n; i++) {
		/* Checked again: two names may be of one file that the first of them made. */
		enum command_result result = say_sinks_check(names, i);
		int r;

		if (result != COMMAND_DONE)
			return result;
		r = sink_open(names[i], &outlets[i].sink);
		if (r) {
			msg_error("cannot open %s: %s", names[i], say_sinks_explain(r));
			return COMMAND_FAILED;
		}
		outlets[i].name = names[i];
	}
	return COMMAND_DONE;
}

static enum command_result say_sinks_no_memory(void)
{
	msg_error("cannot open a place for the violations: %s", strerror(ENOMEM));
	return COMMAND_FAILED;
}

static enum command_result say_sinks_open_tee(const char *const *names, size_t n,
					      struct sink **ret_sink)
{
	_cleanup_free_ struct sink_outlet *outlets = calloc(n, sizeof(*outlets));
	enum command_result result;

	if (!outlets)
		return say_sinks_no_memory();
	result = say_sinks_open_each(names, n, outlets);
	if (result == COMMAND_DONE && !sink_tee_open(outlets, n, ret_sink))
		return COMMAND_DONE;
	for (size_t i = 0; i < n; i++)
		sink_free(outlets[i].sink);
	return result == COMMAND_DONE ? say_sinks_no_memory() : result;
}

enum command_result say_sinks_open(const char *const *names, size_t n, struct say_sinks *ret)
{
	enum command_result result = say_sinks_check_all(names, n);

	if (result != COMMAND_DONE)
		return result;
	*ret = (struct say_sinks){
		.names = calloc(n, sizeof(*ret->names)),
		.of = calloc(n, sizeof(*ret->of)),
		.n = n,
	};
	if (!ret->names || !ret->of)
		return say_sinks_no_memory();
	memcpy(ret->names, names, n * sizeof(*names));
	return say_sinks_open_tee(names, n, &ret->sink);
}

void say_sinks_close(struct say_sinks *sinks)
{
	sink_free(sinks->sink);
	free(sinks->names);
	free(sinks->of);
	*sinks = (struct say_sinks)SAY_SINKS_CLOSED;
}

const char *say_sinks_name(const struct say_sinks *sinks)
{
	return sinks->names[0];
}

static void say_sinks_tell_reopen(const char *name, const struct sink_outlet_state *state)
{
	if (state->reopen)
		msg_warning("cannot open %s again: %s; tried again each second, lines go to %s "
			    "meanwhile",
			    name, say_sinks_explain(state->reopen),
			    state->where[0] ? state->where : "what was open");
	else
		msg_info("%s is open again: lines go there", name);
}

static void say_sinks_tell_missed(const char *name, struct say_sink *said, uint64_t missed)
{
	msg_warning("%s takes lines again, and has missed %" PRIu64 " %s", name,
		    missed - said->missed, plural(missed - said->missed, "line", "lines"));
	said->missed = missed;
	said->missing = false;
}

static void say_sinks_follow_missed(const char *name, struct say_sink *said,
				    const struct sink_outlet_state *state)
{
	const bool more = state->missed > said->last;

	said->last = state->missed;
	said->calm = more || state->trouble ? 0 : said->calm + 1;
	if (said->missing && said->calm >= CALM_SECONDS)
		say_sinks_tell_missed(name, said, state->missed);
	if (said->missing || !more || !state->trouble)
		return;
	msg_warning("%s takes no line: %s; what it misses is counted", name,
		    state->trouble == -EAGAIN ? "nobody reads it"
					      : say_sinks_explain(state->trouble));
	said->missing = true;
}

void say_sinks_follow(struct say_sinks *sinks)
{
	for (size_t i = 0; i < sinks->n; i++) {
		struct say_sink *said = &sinks->of[i];
		struct sink_outlet_state state;

		sink_tee_look(sinks->sink, i, &state);
		if (state.reopen != said->reopen)
			say_sinks_tell_reopen(sinks->names[i], &state);
		said->reopen = state.reopen;
		say_sinks_follow_missed(sinks->names[i], said, &state);
	}
}

void say_sinks_end(struct say_sinks *sinks)
{
	sink_tend(sinks->sink);
	for (size_t i = 0; i < sinks->n; i++) {
		struct sink_outlet_state state;
		uint64_t missed;

		sink_tee_look(sinks->sink, i, &state);
		missed = state.missed + state.holds - sinks->of[i].missed;
		if (missed)
			msg_warning("%s has missed %" PRIu64 " %s", sinks->names[i], missed,
				    plural(missed, "line", "lines"));
	}
}

void say_sinks_describe(const struct say_sinks *sinks, char *dst, size_t size)
{
	size_t used = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < sinks->n && used < size; i++) {
		struct sink_outlet_state state;

		sink_tee_look(sinks->sink, i, &state);
		if (state.missed)
			used += snprintf(dst + used, size - used, "; %" PRIu64 " not to %s",
					 state.missed, sinks->names[i]);
		if (state.reopen && used < size)
			used += snprintf(dst + used, size - used, "; cannot open %s again",
					 sinks->names[i]);
	}
}
