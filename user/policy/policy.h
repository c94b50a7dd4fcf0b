/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model of a policy: what the text says, checked, before it becomes bit sets.
 * Pure data. The parser reads files and looks up users through the callbacks of
 * struct policy_source, so that tests and fuzzers need neither.
 */
#ifndef SMTPWARD_POLICY_H
#define SMTPWARD_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smtpward/abi.h>
#include <smtpward/conditions.h>

/* Place in the text that a message is about. Line and column count from 1, columns in bytes. */
struct policy_place {
	const char *file; /* owned by the policy or the error list it belongs to */
	unsigned int line;
	unsigned int column;
};

/*
 * A user or a group. name is NULL if the policy gave the number. POLICY_ID_NONE, which
 * no task has, is in a kept copy alone: the number that the name had is another's today.
 */
#define POLICY_ID_NONE UINT32_MAX

struct policy_id {
	char *name;
	uint32_t id;
};

/* An address or prefix: network byte order, IPv4 as ::ffff:a.b.c.d with bits >= 96. */
struct policy_prefix {
	uint8_t address[16];
	uint8_t bits; /* 0 to 128, or POLICY_PREFIX_LOCAL */
};

/* "local", whatever addresses the host has: the address of such a prefix is all zeros. */
#define POLICY_PREFIX_LOCAL 255

/*
 * The name of a network device, as dev_valid_name() in net/core/dev.c has it; of a guest's, one
 * star may stand for the end.
 */
struct policy_device {
	char text[16]; /* IFNAMSIZ */
};

struct policy_mac {
	uint8_t bytes[6];
};

/*
 * Kind of a condition's values; SMTPWARD_CONDITIONS() and SMTPWARD_GUEST_CONDITIONS() have the kind
 * of each condition.
 */
enum policy_kind {
	POLICY_TEXT,
	POLICY_ID,
	POLICY_PREFIX,
	POLICY_PORT,
	POLICY_DEVICE,
	POLICY_MAC,
	POLICY_VLAN,
};

extern const enum policy_kind policy_kinds[SMTPWARD_CONDITIONS_N];

/* The values of one condition, by its kind; none where the rule does not name it. */
struct policy_values {
	union {
		void *items;
		/*
		 * A unit, "postfix@-.service": no slash, at most one star. A cgroup, "/",
		 * "/lxc/101": absolute, no empty, "." or ".." segment.
		 */
		char **texts;
		struct policy_id *ids;
		struct policy_prefix *prefixes;
		uint16_t *ports; /* host byte order, each one a guarded port */
		struct policy_device *devices;
		struct policy_mac *macs;
		uint16_t *vlans; /* 1 to 4094 */
	};
	size_t n;
};

struct policy_rule {
	uint8_t verdict; /* SMTPWARD_DENY, _AUDIT or _ALLOW */
	uint32_t until;	 /* seconds since 1970, UTC: from then on it matches nothing; 0: no end */
	struct policy_place place;
	struct policy_values values[SMTPWARD_CONDITIONS_N];
};

enum policy_mode {
	POLICY_ENFORCE,
	POLICY_AUDIT, /* nothing refused, all logged as it would be */
};

/* The devices with a gate for packets. */
enum policy_uplink {
	POLICY_UPLINK_NONE,
	POLICY_UPLINK_AUTO, /* those with hardware behind them, and those of default routes */
	POLICY_UPLINK_NAMED,
};

struct policy {
	uint16_t ports[SMTPWARD_PORTS_MAX]; /* host byte order, in the order given */
	size_t n_ports;
	enum policy_mode mode;
	int reject;	       /* errno, positive */
	uint32_t log;	       /* bit N: the verdict N gets a line */
	uint64_t limit_lines;  /* lines ... */
	uint64_t limit_period; /* ... in so many seconds: 1, 60 or 3600 */
	uint64_t limit_burst;
	uint32_t args;		 /* SMTPWARD_ARGS_*: how much of a command line a line shows */
	uint64_t alert_attempts; /* more of a user's than so many have an alert; 0: none have */
	uint64_t alert_period;	 /* ... in so many seconds: 60 or 3600 */
	bool packets;		 /* the settings below are in force */
	struct policy_place layer_place; /* of the last of these; file is NULL: none stands */
	enum policy_uplink uplink;
	struct policy_device uplinks[SMTPWARD_UPLINKS_MAX]; /* sorted */
	size_t n_uplinks;
	bool raw_set;	  /* raw_allowed is what the policy says; see policy_allows_raw() */
	bool raw_allowed; /* the ways past all hooks for packets stay open */
	struct policy_rule *rules;
	size_t n_rules;
	char **files; /* every file read, in order; places point into it */
	size_t n_files;
};

struct policy_error {
	char *file;
	unsigned int line;   /* 0: the error is the file's as a whole */
	unsigned int column; /* 0: the error is the line's as a whole */
	char *text;
};

/* Every error of a policy, in the order of reading. */
struct policy_errors {
	struct policy_error *items;
	size_t n_items;
};

/*
 * Questions of the parser to the world. All functions return 0 or -errno.
 *
 * read: the whole text of a file, allocated, with its size (it may hold NULs). A
 *   failure that errno does not name well enough sets *reterr_why to an allocated
 *   sentence ("anyone can write to it: ...").
 * expand: what an include pattern names, sorted, as paths that read takes, relative
 *   to the file that includes it; *ret_n is 0 if a glob matches nothing. A plain
 *   name is returned as it is, whether it exists or not. *reterr_why as of read.
 * same: 1 if both paths are one file, so that include finds a cycle; 0 if not.
 * user, group: -ENOENT if the name does not exist.
 * kept_user, kept_group: for a kept copy, and there instead of the two before: 1 if the
 *   number is the name's, or nobody's; 0 if it is another's.
 */
struct policy_source {
	int (*read)(void *userdata, const char *path, char **ret_text, size_t *ret_size,
		    char **reterr_why);
	int (*expand)(void *userdata, const char *includer, const char *pattern, char ***ret_paths,
		      size_t *ret_n, char **reterr_why);
	int (*same)(void *userdata, const char *a, const char *b);
	int (*user)(void *userdata, const char *name, uint32_t *ret_uid);
	int (*group)(void *userdata, const char *name, uint32_t *ret_gid);
	int (*kept_user)(void *userdata, uint32_t uid, const char *name);
	int (*kept_group)(void *userdata, uint32_t gid, const char *name);
	const char *users, *groups; /* the files that user and group ask; NULL: the machine */
	void *userdata;
};

/* policy_source.c: the real world. Files, glob(3), getpwnam_r(3), getgrnam_r(3). */
extern const struct policy_source policy_source_system;

/* The policy that run uses where there is no file, and the name it goes by in messages. */
#define POLICY_BUILTIN_NAME "built-in"
extern const char policy_builtin_text[];

/*
 * policy_parse() reads path and what it includes. Returns 0 and a policy that the
 * caller frees; -EINVAL with every error of all files in errors, each one said
 * once; -ENOMEM. *ret_policy is untouched on failure. errors starts zeroed.
 *
 * policy_parse_text() is the same for a text in memory, named name in places.
 */
int policy_parse(const char *path, const struct policy_source *source, struct policy **ret_policy,
		 struct policy_errors *errors);
int policy_parse_text(const char *name, const char *text, size_t size,
		      const struct policy_source *source, struct policy **ret_policy,
		      struct policy_errors *errors);

/*
 * The canonical form: every setting, then every rule, one a line. Parsing it again
 * gives the same policy, and printing that gives the same bytes. Returns 0 or
 * -ENOMEM; the caller frees *ret_text.
 */
int policy_print(const struct policy *policy, char **ret_text);
int policy_print_rule(const struct policy_rule *rule, char **ret_text);

/*
 * A kept copy is the canonical form with the number beside each name of a user or group,
 * NAME:NUMBER, so that it means the same without a lookup. It has no includes and no limit
 * on its size. policy_parse_kept() takes it and no other form of a policy does.
 */
int policy_print_kept(const struct policy *policy, char **ret_text);
int policy_parse_kept(const char *name, const char *text, size_t size,
		      const struct policy_source *source, struct policy **ret_policy,
		      struct policy_errors *errors);

void policy_free(struct policy *policy);
void policy_freep(struct policy **policy);
void policy_errors_clear(struct policy_errors *errors);

/* Whether `raw` is allow; if the policy does not say, an uplink means deny. */
bool policy_allows_raw(const struct policy *policy);

/* "none", "script" or "all"; NULL for another number. */
const char *policy_args_name(uint32_t args);

/* "EPERM" for EPERM and so on, for the errors that reject may name; NULL for others. */
const char *policy_reject_name(int error);

#endif /* SMTPWARD_POLICY_H */
