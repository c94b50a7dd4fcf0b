// SPDX-License-Identifier: GPL-2.0-only
/* The table of counters; see counter.h. */
#include "pins/counter.h"

#include <assert.h>

#define TABLE(ROW)               \
	ROW(denied, false)       \
	ROW(audited, false)      \
	ROW(allowed, false)      \
	ROW(recorded, false)     \
	ROW(suppressed, false)   \
	ROW(lost, false)         \
	ROW(callers_full, true)  \
	ROW(cgroups_full, true)  \
	ROW(cgroup_unsure, true) \
	ROW(broken, true)        \
	ROW(tenants_full, true)  \
	ROW(tenants_gone, true)

#define COUNTER_INFO(_name, _trouble)                                \
	{                                                            \
		.name = #_name,                                      \
		.offset = offsetof(struct smtpward_counters, _name), \
		.trouble = (_trouble),                               \
	},

const struct counter_info counter_infos[COUNTERS] = { TABLE(COUNTER_INFO) };

#define COUNTER_MEMBER(name, trouble) __u64 name;

/* Has no room for a row twice. */
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
