// SPDX-License-Identifier: GPL-2.0-only
/* The table of counters; see counter.h. */
#include "pins/counter.h"

#include <assert.h>

/* ROW(counter, whether it is trouble, what it counts). */
#define TABLE(ROW)                                                                       \
	ROW(denied, false, "Connects to guarded ports that were refused.")               \
	ROW(audited, false, "Connects let through that enforcement would have refused.") \
	ROW(allowed, false, "Connects to guarded ports that a rule let through.")        \
	ROW(recorded, false, "Records of attempts put into the buffer.")                 \
	ROW(suppressed, false, "Attempts without a line, held back by the limit.")       \
	ROW(lost, false, "Attempts without a line, that found no room in the buffer.")   \
	ROW(callers_full, true, "Attempts of users that share one limit and one sum.")   \
	ROW(cgroups_full, true, "Cgroups that the table of cgroups had no room for.")    \
	ROW(cgroup_unsure, true, "Connects refused because of such a cgroup.")           \
	ROW(broken, true, "Attempts not recorded as a map could not be read.")           \
	ROW(tenants_full, true, "Cgroups that the table of tenants had no room for.")    \
	ROW(tenants_gone, true, "Tenants that are gone, and had attempts.")

#define COUNTER_INFO(_name, _trouble, _help)                         \
	{                                                            \
		.name = #_name,                                      \
		.offset = offsetof(struct smtpward_counters, _name), \
		.trouble = (_trouble),                               \
		.help = (_help),                                     \
	},

const struct counter_info counter_infos[COUNTERS] = { TABLE(COUNTER_INFO) };

#define COUNTER_MEMBER(name, trouble, help) __u64 name;

/* The compiler refuses two rows of one counter: the second has a taken name. */
struct counter_rows {
	TABLE(COUNTER_MEMBER)
};

_Static_assert(sizeof(struct counter_rows) == sizeof(struct smtpward_counters),
	       "a row for each counter");

uint64_t counter_value(const struct smtpward_counters *counters, int counter)
{
	assert(counters && counter >= 0 && counter < COUNTERS);
	return *(const __u64 *)((const char *)counters + counter_infos[counter].offset);
}
