// SPDX-License-Identifier: GPL-2.0-only
/* The hash of a policy; see policy_hash.h. */
#include "policy/policy_hash.h"

#include <sha256.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/policy.h"

_Static_assert(SMTPWARD_HASH_SIZE == SHA256_DIGEST_LENGTH, "a hash is SHA-256");

int policy_hash(const struct policy *policy, uint8_t ret_hash[static SMTPWARD_HASH_SIZE])
{
	_cleanup_free_ char *text = NULL;
	SHA256_CTX context;
	int r = policy_print(policy, &text);

	if (r)
		return r;
	SHA256Init(&context);
	SHA256Update(&context, (const uint8_t *)text, strlen(text));
	SHA256Final(ret_hash, &context);
	return 0;
}

void policy_hash_text(const uint8_t hash[static SMTPWARD_HASH_SIZE],
		      char dst[static POLICY_HASH_TEXT_SIZE])
{
	for (size_t i = 0; i < SMTPWARD_HASH_SIZE; i++)
		snprintf(dst + 2 * i, 3, "%02x", hash[i]);
}
