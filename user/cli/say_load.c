// SPDX-License-Identifier: GPL-2.0-only
/* Loading and lifting, with messages; see say_load.h. */
#include "cli/say_load.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/msg.h"
#include "load/load.h"
#include "pins/pins.h"

enum command_result say_load_check_free(const char *path, bool trial)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	struct reason reason;
	pid_t reader;
	int r = pins_open(path ?: PINS_DEFAULT_PATH, &pins, &reason);

	/* What is wrong with it otherwise is the load's to say. */
	if (r)
		return COMMAND_DONE;
	reader = pins_find_reader(&pins);
	if (reader) {
		msg_error("%s is being read already: by process %d; to replace the policy alone "
			  "there is 'smtpward load'",
			  pins.path, (int)reader);
		return COMMAND_FAILED;
	}
	if (!trial)
		return COMMAND_DONE;
	msg_error("a policy is loaded at %s: --trial would lift it at its end; unload it first, or "
		  "try with another --pins",
		  pins.path);
	return COMMAND_FAILED;
}

/* Rights go by the group: its other members get them too. */
static void say_load_other_members(const char *name, gid_t id)
{
	const struct group *group = getgrgid(id);
	char others[256] = "";
	size_t used = 0;

	for (char **member = group ? group->gr_mem : NULL; member && *member; member++) {
		if (!strcmp(*member, name))
			continue;
		if (used + strlen(*member) + sizeof(", ...") > sizeof(others)) {
			used += (size_t)sprintf(others + used, ", ...");
			break;
		}
		used += (size_t)sprintf(others + used, "%s%s", used ? ", " : "", *member);
	}
	if (used)
		msg_warning("the group of '%s', %s, has other members, who may read as well: %s",
			    name, group->gr_name, others);
}

static enum command_result say_load_find_reader(const char *name, gid_t *ret_group)
{
	const struct passwd *user;

	errno = 0;
	user = getpwnam(name);
	if (!user) {
		msg_error("cannot tell the group of the reader '%s': %s", name,
			  errno ? strerror(errno) : "there is no such user");
		return COMMAND_BAD_INPUT;
	}
	*ret_group = user->pw_gid;
	if (*ret_group)
		say_load_other_members(name, *ret_group);
	return COMMAND_DONE;
}

enum command_result say_load_policy(const struct given_policy *given, const char *cgroup,
				    const char *pins, const char *reader, bool *ret_left)
{
	gid_t group = 0;
	const struct load_request request = {
		.policy = given->policy,
		.ruleset = given->ruleset,
		.config = given->name,
		.cgroup = cgroup,
		.pins = pins ?: PINS_DEFAULT_PATH,
		.reader = reader ? &group : NULL,
	};
	struct load_report report;
	struct reason reason;

	if (reader && say_load_find_reader(reader, &group) != COMMAND_DONE)
		return COMMAND_BAD_INPUT;
	if (load_policy(&request, &report, &reason)) {
		msg_error("%s: %s", given->name, reason.text);
		return COMMAND_FAILED;
	}
	if (report.below_root)
		msg_warning("attached to %s only: a socket that was made outside of it is not seen",
			    cgroup);
	if (given->policy->mode == POLICY_AUDIT)
		msg_warning("mode audit: nothing is refused");
	if (given->policy->mode == POLICY_AUDIT && !(given->policy->log & 1U << SMTPWARD_AUDIT))
		msg_warning("the policy's log has no 'audit': what mode audit lets through is not "
			    "written");
	if (report.replaced && report.replaced_abi != SMTPWARD_ABI)
		msg_info("took over from a smtpward of ABI %" PRIu32 "; this one has %d",
			 report.replaced_abi, SMTPWARD_ABI);
	if (report.view.text[0])
		msg_warning("%s", report.view.text);
	if (report.spoiled.text[0])
		msg_warning("%s: a new buffer and new counts have begun, and of what was recorded "
			    "before is written what can be read",
			    report.spoiled.text);
	*ret_left = report.left;
	msg_info("%s %s: %zu rules, in force until 'smtpward unload', with a process or without",
		 report.replaced ? "replaced the policy by" : "loaded", given->name,
		 given->policy->n_rules);
	return COMMAND_DONE;
}

enum command_result say_load_lift(const char *pins)
{
	struct reason reason;
	int r = load_unload(pins ?: PINS_DEFAULT_PATH, &reason);

	if (r == -ENOENT) {
		msg_info("nothing is loaded at %s", pins ?: PINS_DEFAULT_PATH);
		return COMMAND_DONE;
	}
	if (r) {
		msg_error("cannot unload: %s", reason.text);
		return COMMAND_FAILED;
	}
	msg_info("unloaded: nothing is refused any more");
	return COMMAND_DONE;
}
