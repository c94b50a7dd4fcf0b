// SPDX-License-Identifier: GPL-2.0-only
/* Finds guests that are not here; see guest_doubts.h. */
#include "cli/guest_doubts.h"

#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>

#include "policy/policy_doubts.h"

static bool guest_doubts_matches(const struct policy_device *device, const char *name)
{
	const char *star = strchr(device->text, '*');

	return star ? !strncmp(device->text, name, (size_t)(star - device->text))
		    : !strcmp(device->text, name);
}

static bool guest_doubts_is_here(const struct policy_values *guests,
				 const struct if_nameindex *names)
{
	for (; names->if_name; names++)
		for (size_t i = 0; i < guests->n; i++)
			if (guest_doubts_matches(&guests->devices[i], names->if_name))
				return true;
	return false;
}

int guest_find_doubts(const struct policy *policy, struct policy_errors *doubts)
{
	struct if_nameindex *names = if_nameindex();
	int r = 0;

	if (!names)
		return -errno;
	for (size_t i = 0; !r && i < policy->n_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];
		const struct policy_values *guests = &rule->values[SMTPWARD_GUEST];

		if (guests->n && !guest_doubts_is_here(guests, names))
			r = policy_doubt(doubts, &rule->place,
					 "no device is here that this rule names: its guests do "
					 "not run now, or '%s' is not their device",
					 guests->devices[0].text);
	}
	if_freenameindex(names);
	return r;
}
