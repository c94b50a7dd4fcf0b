// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verdict over sets of rules: the lowest bit of a word, and the first rule that
 * all parts of a connect satisfy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <smtpward/verdict.h>

#include "ruleset/ruleset_random.h"

static void test_lowest_bit(void **state __attribute__((unused)))
{
	for (unsigned int bit = 0; bit < 64; bit++) {
		uint64_t alone = (uint64_t)1 << bit, all_above = ~(uint64_t)0 << bit;

		assert_int_equal(smtpward_lowest_bit(alone), bit);
		assert_int_equal(smtpward_lowest_bit(all_above), bit);
		assert_int_equal(smtpward_lowest_bit(alone | (uint64_t)1 << 63), bit);
		for (unsigned int other = bit; other < 64; other++)
			assert_int_equal(smtpward_lowest_bit(alone | (uint64_t)1 << other), bit);
	}
}

static void test_lowest_bit_random(void **state __attribute__((unused)))
{
	dice_seed(0x10b17);
	for (int i = 0; i < 1000000; i++) {
		uint64_t bits = dice_word() << dice(64);

		if (bits && smtpward_lowest_bit(bits) != (uint32_t)__builtin_ctzll(bits))
			fail_msg("%#llx: %u", (unsigned long long)bits, smtpward_lowest_bit(bits));
	}
}

/* A set a condition; the rule that a test is about is in all of them. */

#define PARTS SMTPWARD_CONNECT_CONDITIONS_N

static struct smtpward_satisfied by_parts(const struct smtpward_rules parts[PARTS])
{
	struct smtpward_satisfied by;

	for (size_t part = 0; part < PARTS; part++)
		by.by[part] = &parts[part];
	return by;
}

static uint32_t first_rule(const struct smtpward_rules parts[PARTS], uint32_t words)
{
	const struct smtpward_satisfied by = by_parts(parts);

	return smtpward_first_rule(&by, words);
}

/* Each rule alone: found where its word is looked at, and by no fewer parts than all. */
static void test_each_rule(void **state __attribute__((unused)))
{
	for (size_t rule = 0; rule < SMTPWARD_RULES_MAX; rule++) {
		struct smtpward_rules parts[PARTS] = { 0 };

		for (size_t part = 0; part < PARTS; part++)
			set_add(&parts[part], rule);
		for (uint32_t words = 0; words <= SMTPWARD_RULE_WORDS; words++)
			assert_int_equal(first_rule(parts, words),
					 rule < 64 * words ? rule : SMTPWARD_RULE_NONE);
		for (size_t part = 0; part < PARTS; part++) {
			const struct smtpward_rules kept = parts[part];

			parts[part] = (struct smtpward_rules){ 0 };
			assert_int_equal(first_rule(parts, SMTPWARD_RULE_WORDS),
					 SMTPWARD_RULE_NONE);
			memset(&parts[part], 0xff, sizeof(parts[part]));
			assert_int_equal(first_rule(parts, SMTPWARD_RULE_WORDS), rule);
			parts[part] = kept;
		}
	}
}

/* More words than there are is all of them: nothing is read behind the sets. */
static void test_words(void **state __attribute__((unused)))
{
	struct smtpward_rules parts[PARTS];

	memset(parts, 0xff, sizeof(parts));
	assert_int_equal(first_rule(parts, 0), SMTPWARD_RULE_NONE);
	for (uint32_t words = 1; words < 8; words++)
		assert_int_equal(first_rule(parts, words), 0);
	memset(parts, 0, sizeof(parts));
	assert_int_equal(first_rule(parts, 0), SMTPWARD_RULE_NONE);
	assert_int_equal(first_rule(parts, 5), SMTPWARD_RULE_NONE);
	assert_int_equal(first_rule(parts, UINT32_MAX), SMTPWARD_RULE_NONE);
}

static uint32_t slow_first_rule(const struct smtpward_rules parts[PARTS], uint32_t words)
{
	for (size_t rule = 0; rule < 64 * words; rule++) {
		size_t part = 0;

		while (part < PARTS && set_has(&parts[part], rule))
			part++;
		if (part == PARTS)
			return (uint32_t)rule;
	}
	return SMTPWARD_RULE_NONE;
}

static void test_random(void **state __attribute__((unused)))
{
	size_t found = 0;

	dice_seed(0xf125);
	for (int i = 0; i < 200000; i++) {
		struct smtpward_rules parts[PARTS];
		uint32_t words = (uint32_t)dice(SMTPWARD_RULE_WORDS + 1), rule;
		size_t density = dice(3);

		for (size_t part = 0; part < PARTS; part++)
			for (size_t word = 0; word < SMTPWARD_RULE_WORDS; word++) {
				parts[part].words[word] = dice_word();
				for (size_t n = 0; n < density; n++)
					parts[part].words[word] |= dice_word();
			}
		rule = slow_first_rule(parts, words);
		found += rule != SMTPWARD_RULE_NONE;
		assert_int_equal(first_rule(parts, words), rule);
	}
	assert_in_range(found, 100000, 190000);
}

/* A lease holds up to its end, and not where it ends later than any can. */
static void test_lease(void **state __attribute__((unused)))
{
	const uint64_t now = 1000000000000;

	assert_true(smtpward_lease_holds(now + 1, now));
	assert_true(smtpward_lease_holds(now + SMTPWARD_LOCAL_LEASE_NS, now));
	assert_false(smtpward_lease_holds(now, now));
	assert_false(smtpward_lease_holds(now - 1, now));
	assert_false(smtpward_lease_holds(0, now));
	assert_false(smtpward_lease_holds(now + SMTPWARD_LOCAL_LEASE_NS + 1, now));
	assert_false(smtpward_lease_holds(UINT64_MAX, now));
	assert_false(smtpward_lease_holds(UINT64_MAX, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lowest_bit), cmocka_unit_test(test_lowest_bit_random),
		cmocka_unit_test(test_each_rule),  cmocka_unit_test(test_words),
		cmocka_unit_test(test_random),	   cmocka_unit_test(test_lease),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
