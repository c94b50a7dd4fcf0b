// SPDX-License-Identifier: GPL-2.0-only
/* The hash of a policy; see policy_hash.h. */
#include "policy/policy_hash.h"

#include <sha256.h>
#include <stdio.h>
#include <string.h>

#include <smtpward/rows.h>

#include "base/cleanup.h"
#include "policy/policy.h"

_Static_assert(SMTPWARD_HASH_SIZE == SHA256_DIGEST_LENGTH, "a hash is SHA-256");

static void policy_hash_string(const char *text, uint8_t ret_hash[static SMTPWARD_HASH_SIZE])
{
	SHA256_CTX context;

	SHA256Init(&context);
	SHA256Update(&context, (const uint8_t *)text, strlen(text));
	SHA256Final(ret_hash, &context);
}

int policy_hash(const struct policy *policy, uint8_t ret_hash[static SMTPWARD_HASH_SIZE])
{
	_cleanup_free_ char *text = NULL;
	int r = policy_print(policy, &text);

	if (r)
		return r;
	policy_hash_string(text, ret_hash);
	return 0;
}

/* Big-endian: the same on every machine. Below 2^63: no reader of JSON takes it for too big. */
int policy_hash_rule(const struct policy_rule *rule, uint64_t *ret_hash)
{
	uint8_t hash[SMTPWARD_HASH_SIZE];
	_cleanup_free_ char *text = NULL;
	uint64_t number = 0;
	int r = policy_print_rule(rule, &text);

	if (r)
		return r;
	policy_hash_string(text, hash);
	for (size_t i = 0; i < sizeof(number); i++)
		number = number << 8 | hash[i];
	number &= INT64_MAX;
	*ret_hash = number == SMTPWARD_ROW_DEFAULT ? 1 : number;
	return 0;
}

void policy_hash_text(const uint8_t hash[static SMTPWARD_HASH_SIZE],
		      char dst[static POLICY_HASH_TEXT_SIZE])
{
	for (size_t i = 0; i < SMTPWARD_HASH_SIZE; i++)
		snprintf(dst + 2 * i, 3, "%02x", hash[i]);
}
