/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The conditions that a rule can have. Each condition is a row here, a parser in policy_rule.c and
 * a lookup in the programs.
 *
 * CONDITION(NAME, "word", KIND): KIND is the type of the condition's values, enum policy_kind.
 */
#ifndef SMTPWARD_CONDITIONS_H
#define SMTPWARD_CONDITIONS_H

#define SMTPWARD_CONDITIONS(CONDITION)    \
	CONDITION(UNIT, "unit", TEXT)     \
	CONDITION(CGROUP, "cgroup", TEXT) \
	CONDITION(USER, "user", ID)       \
	CONDITION(GROUP, "group", ID)     \
	CONDITION(TO, "to", PREFIX)       \
	CONDITION(PORT, "port", PORT)

/*
 * The conditions on a guest: what stands behind a device of this machine, and sends what it likes.
 * A rule without GUEST is about this machine's own connects alone, a rule with it about guests
 * alone; of the conditions above it may have TO and PORT.
 */
#define SMTPWARD_GUEST_CONDITIONS(CONDITION) \
	CONDITION(GUEST, "guest", DEVICE)    \
	CONDITION(MAC, "mac", MAC)           \
	CONDITION(VLAN, "vlan", VLAN)        \
	CONDITION(FROM, "from", PREFIX)

/*
 * The conditions that the programs look up by an id of the calling task: ID(NAME, map, member).
 * The map gives, by id, the rules that the id satisfies; the member is one of struct caller.
 */
#define SMTPWARD_ID_CONDITIONS(ID) \
	ID(USER, map_users, euid)  \
	ID(GROUP, map_groups, egid)

enum smtpward_condition {
#define SMTPWARD_CONDITION(name, word, kind) SMTPWARD_##name,
	SMTPWARD_CONDITIONS(SMTPWARD_CONDITION) SMTPWARD_GUEST_CONDITIONS(SMTPWARD_CONDITION)
#undef SMTPWARD_CONDITION
		SMTPWARD_CONDITIONS_N
};

/* The conditions on a connect are the first so many. */
#define SMTPWARD_CONNECT_CONDITIONS_N SMTPWARD_GUEST

/* Value of asks[SMTPWARD_TO], for the programs alone: a rule asks for "local". */
#define SMTPWARD_ASKS_LOCAL 2

#endif /* SMTPWARD_CONDITIONS_H */
