/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the parser's files: the state of one parse and of the line that the parse is at.
 * policy_parse.c has files and lines, policy_setting.c the settings, policy_rule.c the rules.
 * Private to these files.
 *
 * Everything here returns 0, -EINVAL once an error has been put in the list, or
 * -ENOMEM, which ends the parse.
 */
#ifndef SMTPWARD_POLICY_PARSE_H
#define SMTPWARD_POLICY_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/policy.h"
#include "policy/policy_lex.h"

#define POLICY_FILE_MAX (1U << 20) /* bytes of one file */
#define POLICY_FILES_MAX 64	   /* the two limits on include: their texts name the numbers */
#define POLICY_LEVELS_MAX 16	   /* the first file is one */

enum policy_setting {
	POLICY_PORTS,
	POLICY_MODE,
	POLICY_REJECT,
	POLICY_LOG,
	POLICY_LIMIT,
	POLICY_ARGS,
	POLICY_ALERT,
	POLICY_PACKETS,
	POLICY_UPLINK,
	POLICY_RAW,
	POLICY_N_SETTINGS,
};

/* A port that a rule names: guarded or not is known once all files are read. */
struct policy_port_use {
	struct policy_place place;
	uint16_t port;
};

struct policy_parser {
	const struct policy_source *source;
	struct policy *policy;
	struct policy_errors *errors;
	struct policy_place settings[POLICY_N_SETTINGS]; /* file is NULL: not set */
	struct policy_port_use *port_uses;
	size_t n_port_uses;
	size_t n_rules;	    /* that were read: over the limit, and wrong ones, too */
	void *paths;	    /* tsearch(3) tree of the different units and cgroup paths */
	size_t n_segments;  /* of these */
	unsigned int level; /* of the file that is being read, the first is 1 */
	bool ports_unknown; /* an error may hide what 'ports' says */
	bool too_many_files;
	bool kept;	/* the text is a kept copy */
	bool continued; /* the line before ended in a comma */
};

struct policy_line {
	const char *file; /* owned by the policy */
	unsigned int number;
	struct policy_words words;
	size_t next; /* the first word that is not used up */
};

/* An error at a column of the line, or of place. */
int policy_fail(struct policy_parser *parser, const struct policy_line *line, unsigned int column,
		const char *format, ...) __attribute__((format(printf, 4, 5)));
int policy_fail_at(struct policy_parser *parser, const struct policy_place *place,
		   const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Takes the result of a value function; the reason of -EINVAL becomes an error at the word. */
int policy_check(struct policy_parser *parser, const struct policy_line *line,
		 const struct policy_word *word, int r, const struct reason *why);

/* The next word, used up by it, or NULL at the end of the line. */
const struct policy_word *policy_next(struct policy_line *line);

/* One value of owner, no list. */
int policy_value(struct policy_parser *parser, struct policy_line *line,
		 const struct policy_word *owner, const struct policy_word **ret_value);

/*
 * A comma list: the value with index i is first[2 * i]. A list that is none uses up
 * the line: what follows would only be misread.
 */
struct policy_list {
	const struct policy_word *first;
	size_t n;
};

int policy_list(struct policy_parser *parser, struct policy_line *line,
		const struct policy_word *owner, struct policy_list *ret_list);

/* Nothing may be left of the line. r is what came before. */
int policy_end(struct policy_parser *parser, const struct policy_line *line, const char *expected,
	       int r);

/* The setting of this name; -1 for another word. */
int policy_find_setting(const char *word);

/* -ENOENT: the word is no setting, or no rule. */
int policy_parse_setting(struct policy_parser *parser, struct policy_line *line);
int policy_parse_rule(struct policy_parser *parser, struct policy_line *line);

/* The other way than policy_reject_name(): 0 if reject cannot name the error. */
int policy_reject_number(const char *name);

/* The other way than policy_args_name(): -1 for another word. */
int policy_args_number(const char *name);

void policy_rule_clear(struct policy_rule *rule);

#endif /* SMTPWARD_POLICY_PARSE_H */
