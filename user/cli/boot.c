// SPDX-License-Identifier: GPL-2.0-only
/* Loads as the service does; see boot.h. */
#include "cli/boot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "cli/accounts.h"
#include "cli/given_policy.h"
#include "cli/kept.h"
#include "cli/limited_source.h"
#include "cli/msg.h"
#include "cli/say_load.h"
#include "load/load.h"
#include "pins/instance.h"
#include "pins/pins.h"
#include "pins/sound.h"
#include "pins/state.h"

/* How long reading may take, with all included files and all names in them. */
#define BOOT_READ_SECONDS 10

#define BOOT_RETRY_SECONDS 10
#define BOOT_RETRY_SECONDS_MAX 300

enum boot_found {
	BOOT_NOTHING,
	BOOT_WHOLE,
	BOOT_TRIAL,	 /* whole, and on trial */
	BOOT_WHOLE_KEPT, /* whole, and the policy is the kept one */
	BOOT_BROKEN,	 /* not whole, or of another version, which we cannot judge */
};

struct boot {
	const struct boot_request *request;
	const char *pins;
	const char *reader;
	struct kept kept;
	enum boot_found found;
	bool lacks;							 /* hooks, gates or pins */
	char config[sizeof(((struct smtpward_policy_info *)0)->config)]; /* of the loaded policy */
	char why[sizeof(((struct smtpward_origin *)0)->why)];		 /* the kept one is: why */
};

static void boot_close(struct boot *boot)
{
	kept_close(&boot->kept);
}

static enum boot_found boot_judge(const struct state *state)
{
	if (!state_is_whole(state) || state->troubles & STATE_HEALS)
		return BOOT_BROKEN;
	if (state->trial.phase == TRIAL_RUNS)
		return BOOT_TRIAL;
	return state->origin.flags & SMTPWARD_ORIGIN_KEPT ? BOOT_WHOLE_KEPT : BOOT_WHOLE;
}

/*
 * Whether the maps that last are sound: if the reader's group has spoiled one, every log ends
 * until a load.
 */
static bool boot_is_sound(const struct boot *boot, uint64_t generation)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	bool sound = true;
	struct reason reason;
	int r = pins_open(boot->pins, &pins, &reason);

	if (!r)
		r = sound_check(&pins, generation, &sound, &reason);
	if (r)
		msg_warning("%s", reason.text);
	return sound;
}

static void boot_look(struct boot *boot)
{
	_cleanup_(state_clear) struct state state = { 0 };
	struct reason reason;
	int r = state_read(boot->pins, false, &state, &reason);

	boot->found = r == -ENOENT ? BOOT_NOTHING : BOOT_BROKEN;
	boot->lacks = r != 0;
	if (r)
		return;
	boot->found = boot_judge(&state);
	boot->lacks = !state_is_whole(&state) ||
		      state.troubles & (1U << STATE_PINS | 1U << STATE_UPLINKS);
	if (boot->found != BOOT_BROKEN && !boot_is_sound(boot, state.policy.generation))
		boot->found = BOOT_BROKEN;
	snprintf(boot->config, sizeof(boot->config), "%s", state.policy.config);
	snprintf(boot->why, sizeof(boot->why), "%s", state.origin.why);
}

static void boot_look_and_heal(struct boot *boot)
{
	struct reason reason;

	boot_look(boot);
	if (boot->found != BOOT_BROKEN || load_heal(boot->pins, &reason))
		return;
	boot_look(boot);
	if (boot->found != BOOT_BROKEN)
		msg_info("what is in force is whole again");
}

static enum command_result boot_read_file(const struct boot *boot, struct given_policy *ret_given,
					  struct reason *reterr)
{
	_cleanup_(limited_source_close) struct limited_source limited = LIMITED_SOURCE_CLOSED;

	if (limited_source_open(BOOT_READ_SECONDS, &limited, reterr)) {
		msg_error("cannot read %s: %s", boot->request->config, reterr->text);
		return COMMAND_FAILED;
	}
	return given_policy_read_from(boot->request->config, &limited.source, ret_given, reterr);
}

static enum command_result boot_put(const struct boot *boot, struct given_policy *given,
				    struct load_report *ret_report)
{
	return say_load_policy(
		&(const struct say_load_request){
			.given = given,
			.cgroup = boot->request->cgroup,
			.pins = boot->request->pins,
			.reader = boot->reader,
		},
		ret_report);
}

static enum command_result boot_load_file(struct boot *boot, struct load_report *ret_report,
					  struct reason *reterr)
{
	_cleanup_(given_policy_clear) struct given_policy given = { 0 };
	enum command_result result = boot_read_file(boot, &given, reterr);

	if (result != COMMAND_DONE)
		return result;
	result = boot_put(boot, &given, ret_report);
	if (result == COMMAND_DONE)
		kept_keep(&boot->kept, &given);
	else
		reason_set(reterr, 0, "%s cannot be put in force", given.name);
	return result;
}

/* Names the copy of the policy in force after the policy's file. */
static int boot_rename(struct given_policy *given, const char *name)
{
	char *file = strdup(name);

	if (!file) {
		msg_error("cannot load %s: %s", given->name, strerror(ENOMEM));
		return -ENOMEM;
	}
	free(given->file);
	given->file = file;
	given->name = name;
	return 0;
}

/* why: the reason for loading the kept policy instead of the file; NULL if it was in force. */
static enum command_result boot_load_kept(const struct boot *boot, const char *why,
					  struct load_report *ret_report)
{
	_cleanup_(given_policy_clear) struct given_policy given = { 0 };
	enum command_result result;
	struct reason reason;

	if (kept_read(&boot->kept, &given, &reason)) {
		msg_error("there is no policy to fall back to: %s", reason.text);
		return COMMAND_FAILED;
	}
	given.why = why;
	if (!why && *boot->config && boot_rename(&given, boot->config))
		return COMMAND_FAILED;
	result = boot_put(boot, &given, ret_report);
	if (result != COMMAND_DONE)
		return result;
	kept_keep_on(&boot->kept);
	if (why)
		msg_warning("degraded: the policy that was kept is in force (%s): %s",
			    boot->kept.path, why);
	return COMMAND_DONE;
}

static enum command_result boot_load_file_or_kept(struct boot *boot, struct load_report *ret_report)
{
	struct reason why;
	enum command_result result = boot_load_file(boot, ret_report, &why);

	if (result == COMMAND_DONE || boot_load_kept(boot, why.text, ret_report) == COMMAND_DONE)
		return COMMAND_DONE;
	return result;
}

/*
 * Replaces the kept policy by the file's, or keeps it in force if the file still cannot be loaded.
 */
static enum command_result boot_replace_kept(struct boot *boot, struct load_report *ret_report)
{
	struct reason why;

	if (boot_load_file(boot, ret_report, &why) == COMMAND_DONE)
		return COMMAND_DONE;
	msg_warning("degraded: the policy that was kept stays in force (%s): %s", boot->kept.path,
		    why.text);
	return COMMAND_DONE;
}

/* The policy that stays in force may have been loaded before the clock was set. */
static void boot_set_clock(const struct boot *boot)
{
	struct reason reason;

	if (load_set_clock(boot->pins, &reason))
		msg_warning("%s", reason.text);
}

/*
 * Loads the kept policy again if it is the one in force, so that no half-written file comes into
 * force.
 */
static enum command_result boot_repair(struct boot *boot, struct load_report *ret_report)
{
	if (kept_is_in_force(&boot->kept) &&
	    boot_load_kept(boot, *boot->why ? boot->why : NULL, ret_report) == COMMAND_DONE)
		return COMMAND_DONE;
	return boot_load_file_or_kept(boot, ret_report);
}

static enum command_result boot_load_found(struct boot *boot, struct load_report *ret_report)
{
	switch (boot->found) {
	case BOOT_WHOLE:
		msg_info("%s is in force: no file is read; 'smtpward load' does that",
			 boot->config);
		return COMMAND_DONE;
	case BOOT_TRIAL:
		msg_info("%s is on trial, and is left alone: no file is read", boot->config);
		return COMMAND_DONE;
	case BOOT_WHOLE_KEPT:
		return boot_replace_kept(boot, ret_report);
	case BOOT_BROKEN:
		return boot_repair(boot, ret_report);
	case BOOT_NOTHING:
		break;
	}
	return boot_load_file_or_kept(boot, ret_report);
}

/*
 * The reader's name, or NULL if /etc/passwd does not have that user: the policy is loaded all the
 * same.
 */
static const char *boot_find_reader(const char *name)
{
	gid_t group;

	if (!name || !accounts_find_group(name, &group))
		return name;
	msg_warning("/etc/passwd has no user '%s': who could read before can, and nobody else",
		    name);
	return NULL;
}

static void boot_open(const struct boot_request *request, struct boot *ret_boot)
{
	*ret_boot = (struct boot){
		.request = request,
		.pins = request->pins ?: PINS_DEFAULT_PATH,
		.reader = boot_find_reader(request->reader),
	};
	kept_open(request->pins, true, &ret_boot->kept);
	boot_look_and_heal(ret_boot);
}

enum command_result boot_load(const struct boot_request *request, struct load_report *ret_report)
{
	_cleanup_(boot_close) struct boot boot = { .kept = KEPT_CLOSED };
	enum command_result result;

	boot_open(request, &boot);
	result = boot_load_found(&boot, ret_report);
	if (result == COMMAND_DONE)
		boot_set_clock(&boot);
	return result;
}

enum command_result boot_heal(const char *pins)
{
	const char *path = pins ?: PINS_DEFAULT_PATH;
	struct boot boot = { .pins = path, .kept = KEPT_CLOSED };
	struct reason reason;
	int r;

	boot_look(&boot);
	if (boot.found == BOOT_NOTHING) {
		msg_info("nothing is loaded at %s", path);
		return COMMAND_NO;
	}
	if (boot.found != BOOT_BROKEN)
		return COMMAND_DONE;
	r = load_heal(path, &reason);
	if (r) {
		boot_look(&boot);
		msg_error("%s", reason.text);
		return boot.found == BOOT_NOTHING ? COMMAND_NO : COMMAND_FAILED;
	}
	boot_look(&boot);
	if (boot.lacks) {
		msg_error("what is in force is not whole: 'smtpward status%s' says why, and "
			  "'smtpward load --boot%s' loads it again",
			  pins_option(path).text, pins_option(path).text);
		return COMMAND_FAILED;
	}
	if (boot.found != BOOT_BROKEN)
		msg_info("what is in force is whole again");
	return COMMAND_DONE;
}

/* Trying again. */

static bool boot_same_lift(const struct kept_lift *a, const struct kept_lift *b)
{
	return a->inode == b->inode && a->when.tv_sec == b->when.tv_sec &&
	       a->when.tv_nsec == b->when.tv_nsec;
}

static void boot_sleep(unsigned int seconds)
{
	struct timespec left = { .tv_sec = seconds };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

/*
 * COMMAND_DONE: a policy is in force, whole; COMMAND_NO: somebody lifted it; COMMAND_DEGRADED: try
 * again.
 */
static enum command_result boot_try_again(const struct boot_request *request,
					  const struct kept_lift *lift,
					  struct load_report *ret_report)
{
	_cleanup_(boot_close) struct boot boot = { .kept = KEPT_CLOSED };
	struct kept_lift now;

	boot_open(request, &boot);
	now = kept_last_lift(&boot.kept);
	if (boot.found == BOOT_NOTHING && !boot_same_lift(&now, lift)) {
		msg_info("the policy was unloaded: nothing is loaded again");
		return COMMAND_NO;
	}
	if (boot.found == BOOT_WHOLE)
		return COMMAND_DONE;
	/* The next try sees which policy follows the trial. */
	if (boot.found == BOOT_TRIAL)
		return COMMAND_DEGRADED;
	boot_load_found(&boot, ret_report);
	boot_look(&boot);
	return boot.found == BOOT_WHOLE ? COMMAND_DONE : COMMAND_DEGRADED;
}

static struct kept_lift boot_read_lift(const struct boot_request *request)
{
	_cleanup_(kept_close) struct kept kept = KEPT_CLOSED;

	kept_open(request->pins, true, &kept);
	return kept_last_lift(&kept);
}

enum command_result boot_retry(const struct boot_request *request, struct load_report *ret_report)
{
	const struct kept_lift lift = boot_read_lift(request);
	struct boot boot = {
		.request = request,
		.pins = request->pins ?: PINS_DEFAULT_PATH,
		.kept = KEPT_CLOSED,
	};
	unsigned int seconds = BOOT_RETRY_SECONDS;
	enum command_result result = COMMAND_DEGRADED;

	boot_look(&boot);
	if (boot.found == BOOT_WHOLE)
		return COMMAND_NO;
	while (result == COMMAND_DEGRADED) {
		boot_sleep(seconds);
		result = boot_try_again(request, &lift, ret_report);
		seconds = seconds < BOOT_RETRY_SECONDS_MAX / 2 ? 2 * seconds
							       : BOOT_RETRY_SECONDS_MAX;
	}
	return result;
}
