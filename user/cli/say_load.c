// SPDX-License-Identifier: GPL-2.0-only
/* Loads and lifts, with messages; see say_load.h. */
#include "cli/say_load.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/plural.h"
#include "base/quote.h"
#include "base/span.h"
#include "cli/accounts.h"
#include "cli/msg.h"
#include "host/cgroupfs.h"
#include "load/load.h"
#include "pins/instance.h"
#include "pins/pins.h"
#include "pins/trial.h"
#include "policy/policy_hash.h"

enum command_result say_load_check_free(const char *path)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	struct reason reason;
	pid_t reader;
	int r = pins_open(path ?: PINS_DEFAULT_PATH, &pins, &reason);

	/* The load reports any other trouble of the directory. */
	if (r)
		return COMMAND_DONE;
	reader = pins_find_reader(&pins);
	if (!reader)
		return COMMAND_DONE;
	msg_error("%s is being read already: by process %d; to replace the policy alone there is "
		  "'smtpward load%s'",
		  pins.path, (int)reader, pins_option(pins.path).text);
	return COMMAND_FAILED;
}

/* Writes ", name" for each member but one, as far as there is room. */
static void say_load_list_members(const struct group *group, const char *but, char *dst,
				  size_t size)
{
	size_t used = 0;

	for (char **member = group->gr_mem; *member; member++) {
		const bool fits = used + strlen(*member) + sizeof(", , ...") <= size;

		if (!strcmp(*member, but))
			continue;
		used += (size_t)snprintf(dst + used, size - used, ", %s", fits ? *member : "...");
		if (!fits)
			return;
	}
}

/*
 * Warns of other members of the reader's group, as rights go by the group. The function reads only
 * the file, as a booting machine may have no answer from other databases.
 */
static void say_load_other_members(const char *name, gid_t id)
{
	_cleanup_fclose_ FILE *file = fopen("/etc/group", "re");
	const struct group *group;
	char others[256];

	/* Group 0 is granted nothing, so its members share nothing. */
	while (id && file && (group = fgetgrent(file))) {
		others[0] = '\0';
		if (group->gr_gid != id)
			continue;
		say_load_list_members(group, name, others, sizeof(others));
		if (others[0])
			msg_warning("the group of '%s', %s, has other members, who may read as "
				    "well: %s",
				    name, group->gr_name, others + strlen(", "));
	}
}

static enum command_result say_load_find_reader(const char *name, gid_t *ret_group)
{
	const struct passwd *user;

	if (!accounts_find_group(name, ret_group)) {
		say_load_other_members(name, *ret_group);
		return COMMAND_DONE;
	}
	errno = 0;
	user = getpwnam(name);
	if (!user) {
		msg_error("cannot tell the group of the reader '%s': %s", name,
			  errno ? strerror(errno) : "there is no such user");
		return COMMAND_BAD_INPUT;
	}
	*ret_group = user->pw_gid;
	say_load_other_members(name, *ret_group);
	return COMMAND_DONE;
}

static void say_load_merged(const struct tenants_merged *merged)
{
	const bool one = merged->cgroups == 1;
	char first[QUOTE_SIZE(sizeof(merged->first))];

	/* The result always fits. */
	quote_text(merged->first, strlen(merged->first), first, sizeof(first));
	msg_info("%" PRIu64 " %s there before the load %s the limit on lines of %" PRIu64
		 " %s, %s%s: who made %s is not known",
		 merged->cgroups, one ? "cgroup that was" : "cgroups that were",
		 one ? "shares" : "share", merged->tenants,
		 plural(merged->tenants, "tenant", "tenants"), first,
		 merged->tenants == 1 ? "" : " and others", one ? "it" : "them");
}

static void say_load_warn(const struct given_policy *given, const char *cgroup,
			  const struct load_report *report)
{
	if (report->below_root)
		msg_warning("attached to %s only: a socket that was made outside of it is not seen",
			    cgroup);
	else if (report->root_id != CGROUPFS_ROOT_ID)
		msg_warning("attached to this cgroup namespace's root (cgroup %" PRIu64
			    "), which is not the machine's: what runs outside of it is not refused",
			    report->root_id);
	if (report->merged.cgroups)
		say_load_merged(&report->merged);
	/* Otherwise given_print_ends() names the file, which may be wrong. */
	if (report->clock_unset && !given_policy_is_ahead(given))
		msg_warning("the clock is not set: rules with until match nothing until it is");
	if (given_print_ends(given))
		msg_warning("cannot tell which rules end: %s", strerror(ENOMEM));
	if (given->policy->mode == POLICY_AUDIT)
		msg_warning("mode audit: nothing is refused");
	if (given->policy->mode == POLICY_AUDIT && !(given->policy->log & 1U << SMTPWARD_AUDIT))
		msg_warning("the policy's log has no 'audit': what mode audit lets through is not "
			    "written");
	if (*report->absent.text)
		msg_warning("not there yet: %s; an uplink gets its gate as it comes",
			    report->absent.text);
	if (report->surplus)
		msg_warning(
			"uplink auto: %zu devices have hardware behind them or a default route, "
			"and packets leave unseen by all but %d: name those that mail may leave "
			"by with 'uplink DEVICE, ...'",
			report->surplus, SMTPWARD_UPLINKS_MAX);
	if (*report->bridges.text)
		msg_warning("an uplink is a bridge, and frames between its ports do not pass it: "
			    "name the port that leads out in its place (%s)",
			    report->bridges.text);
	if (*report->unkept.text)
		msg_warning("there is no second set of pins: %s; whoever removes the pin "
			    "directory lifts the policy",
			    report->unkept.text);
	if (*report->view.text)
		msg_warning("%s", report->view.text);
	if (*report->spoiled.text)
		msg_warning("%s: a new buffer and new counts have begun, and of what was recorded "
			    "before is written what can be read",
			    report->spoiled.text);
}

static enum command_result say_load_trial(const struct say_load_request *load,
					  const struct load_report *report)
{
	const struct trial trial = { .phase = TRIAL_RUNS, .ends_ns = report->trial_ends_ns };
	const uint64_t seconds = trial_seconds_left(&trial);
	char hash[POLICY_HASH_TEXT_SIZE], time[SPAN_SIZE], left[SPAN_SIZE];
	char of_it[SPAN_SIZE + 32] = "", follows[64] = "nothing is";

	policy_hash_text(report->hash, hash);
	span_text(load->try_seconds, time);
	span_text(seconds, left);
	if (seconds < load->try_seconds)
		snprintf(of_it, sizeof(of_it), ", of which %s are left", left);
	if (report->fallback)
		snprintf(follows, sizeof(follows), "generation %" PRIu64 " is again",
			 report->fallback);
	if (!seconds) {
		msg_error("%s: its trial of %s was over before the load was, and %s in force; try "
			  "it for longer with --try",
			  load->given->name, time, follows);
		return COMMAND_FAILED;
	}
	msg_info("%s: %zu %s, on trial for %s%s; then %s in force, with a process or without. "
		 "To keep it: smtpward confirm %.12s%s",
		 load->given->name, load->given->policy->n_rules,
		 plural(load->given->policy->n_rules, "rule", "rules"), time, of_it, follows, hash,
		 pins_option(load->pins).text);
	return COMMAND_DONE;
}

enum command_result say_load_policy(const struct say_load_request *load,
				    struct load_report *ret_report)
{
	gid_t group = 0;
	struct load_request request = {
		.policy = load->given->policy,
		.ruleset = load->given->ruleset,
		.why = load->given->why,
		.cgroup = load->cgroup,
		.pins = load->pins ?: PINS_DEFAULT_PATH,
		.reader = load->reader ? &group : NULL,
		.run_trial = load->trial,
		.try_seconds = load->try_seconds,
	};
	char until[sizeof(struct pins_option) + 64];
	struct reason reason;
	int r;

	if (load->reader && say_load_find_reader(load->reader, &group) != COMMAND_DONE)
		return COMMAND_BAD_INPUT;
	r = given_policy_locate(load->given, &reason);
	if (r) {
		msg_error("%s", reason.text);
		return COMMAND_FAILED;
	}
	request.config = load->given->file;
	request.written = given_policy_written(load->given);
	r = load_policy(&request, ret_report, &reason);
	if (r == -EEXIST && load->trial) {
		msg_error("%s: --trial would lift it at its end; unload it first, or try with "
			  "another --pins",
			  reason.text);
		return COMMAND_FAILED;
	}
	if (r) {
		msg_error("%s: %s", load->given->name, reason.text);
		return COMMAND_FAILED;
	}
	say_load_warn(load->given, load->cgroup, ret_report);
	if (ret_report->replaced && ret_report->replaced_abi &&
	    ret_report->replaced_abi != SMTPWARD_ABI)
		msg_info("took over from a smtpward of ABI %" PRIu32 "; this one has %d",
			 ret_report->replaced_abi, SMTPWARD_ABI);
	if (load->try_seconds)
		return say_load_trial(load, ret_report);
	if (load->trial)
		snprintf(until, sizeof(until), "this trial ends");
	else
		snprintf(until, sizeof(until), "'smtpward unload%s', with a process or without",
			 pins_option(load->pins).text);
	msg_info("%s %s: %zu %s, in force until %s",
		 ret_report->replaced ? "replaced the policy by" : "loaded", load->given->name,
		 load->given->policy->n_rules,
		 plural(load->given->policy->n_rules, "rule", "rules"), until);
	return COMMAND_DONE;
}

static bool say_load_was_told(const struct found *others, size_t i)
{
	for (size_t before = 0; before < i; before++)
		if (others->links[before].gate_id == others->links[i].gate_id)
			return true;
	return false;
}

/*
 * Warns of policies that are still attached, a line each: whoever lifts one should know of the
 * others.
 */
static void say_load_others(const struct found *others)
{
	for (size_t i = 0; i < others->n; i++) {
		const struct found_link *link = &others->links[i];

		if (link->gate == SMTPWARD_GATE_OPEN || say_load_was_told(others, i))
			continue;
		if (link->pins)
			msg_warning("still in force: the policy loaded with --pins %s, on cgroup "
				    "%" PRIu64,
				    link->pins, link->cgroup_id);
		else
			msg_warning("still in force: a policy of an older smtpward, on cgroup "
				    "%" PRIu64 " (link %" PRIu32 ")",
				    link->cgroup_id, link->id);
	}
}

enum command_result say_load_lift(const char *pins, const struct load_id *only, bool *ret_lifted)
{
	struct load_lifted lifted = { 0 };
	struct reason reason;
	int r = load_unload(pins ?: PINS_DEFAULT_PATH, only, &lifted, &reason);

	if (ret_lifted)
		*ret_lifted = lifted.lifted || r == -ENOENT;
	if (r == -ESTALE) {
		msg_info("%s", reason.text);
		return COMMAND_DONE;
	}
	if (r && r != -ENOENT) {
		msg_error("%s%s", lifted.lifted ? "" : "cannot unload: ", reason.text);
		return COMMAND_FAILED;
	}
	if (*lifted.odd)
		msg_warning("removed from %s, though not what smtpward pins there: %s",
			    pins ?: PINS_DEFAULT_PATH, lifted.odd);
	say_load_others(&lifted.others);
	if (r)
		msg_info("nothing is loaded at %s", pins ?: PINS_DEFAULT_PATH);
	else
		msg_info("unloaded: %s", lifted.others.n ? "this policy refuses nothing any more"
							 : "nothing is refused any more");
	found_clear(&lifted.others);
	return COMMAND_DONE;
}
