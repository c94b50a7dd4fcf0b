/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The values of a policy, read from words. Private to the policy modules.
 *
 * All functions return 0, -ENOMEM, or -EINVAL with a reterr that says what is wrong and what to
 * write instead.
 */
#ifndef SMTPWARD_POLICY_VALUE_H
#define SMTPWARD_POLICY_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/policy.h"
#include "base/reason.h"
#include "policy/policy_lex.h"

#define POLICY_LIMIT_MAX 1000000

int policy_value_port(const char *word, uint16_t *ret_port, struct reason *reterr);

/* "10/s": a number of lines in a period in seconds. */
int policy_value_rate(const char *word, uint64_t *ret_lines, uint64_t *ret_period,
		      struct reason *reterr);
/* "100/h": a number of attempts in a period in seconds; both 0 for POLICY_ALERT_OFF. */
int policy_value_alert(const char *word, uint64_t *ret_attempts, uint64_t *ret_period,
		       struct reason *reterr);
int policy_value_burst(const char *word, uint64_t *ret_burst, struct reason *reterr);

int policy_value_unit(const char *word, char **ret_unit, struct reason *reterr);
int policy_value_cgroup(const char *word, char **ret_path, size_t *ret_segments,
			struct reason *reterr);
int policy_value_user(const char *word, const struct policy_source *source,
		      struct policy_id *ret_id, struct reason *reterr);
int policy_value_group(const char *word, const struct policy_source *source,
		       struct policy_id *ret_id, struct reason *reterr);
/* The same in a kept copy of a policy: NAME:NUMBER, or a number. */
int policy_value_kept_user(const char *word, const struct policy_source *source,
			   struct policy_id *ret_id, struct reason *reterr);
int policy_value_kept_group(const char *word, const struct policy_source *source,
			    struct policy_id *ret_id, struct reason *reterr);
int policy_value_prefix(const char *word, struct policy_prefix *ret_prefix, struct reason *reterr);
/* A destination of connect(2): 'local' too, and 0.0.0.0 is 127.0.0.1. */
int policy_value_to(const char *word, struct policy_prefix *ret_prefix, struct reason *reterr);

/* The name of a network device; with starred, one star may stand at its end. */
int policy_value_device(const char *word, bool starred, struct policy_device *ret_device,
			struct reason *reterr);
int policy_value_mac(const char *word, struct policy_mac *ret_mac, struct reason *reterr);
int policy_value_vlan(const char *word, uint16_t *ret_vlan, struct reason *reterr);

/* The text of a prefix or address in canonical form. */
struct policy_prefix_text {
	char text[64];
};

struct policy_prefix_text policy_prefix_text(const struct policy_prefix *prefix);

#endif /* SMTPWARD_POLICY_VALUE_H */
