// SPDX-License-Identifier: GPL-2.0-only
/* Which rights a process lacks, and what the kernel says of lockdown, from their texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "host/refusal.h"

#define WHOLE "         0          0 4294967295\n"
#define ALL 0x1ffffffffffULL
#define SYS_ADMIN (1ULL << 21)
#define NET_ADMIN (1ULL << 12)
#define PERFMON (1ULL << 38)
#define BPF (1ULL << 39)

static void test_rights(void **state)
{
	static const struct {
		uint64_t effective;
		const char *uid_map, *words; /* NULL: nothing is missing */
	} cases[] = {
		{ ALL, WHOLE, NULL },
		{ SYS_ADMIN, WHOLE, NULL },
		{ ALL & ~SYS_ADMIN, WHOLE, NULL },
		{ BPF | PERFMON | NET_ADMIN, WHOLE, NULL },
		{ BPF | NET_ADMIN, WHOLE, "without CAP_PERFMON," },
		{ PERFMON | NET_ADMIN, WHOLE, "without CAP_BPF," },
		{ BPF | PERFMON, WHOLE, "without CAP_NET_ADMIN," },
		{ 0, WHOLE, "without CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN," },
		{ ALL, "0 100000 65536\n", "user namespace" },
		{ ALL, "0 1000 1\n", "user namespace" },
		{ ALL, "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct reason why = { "" };
		bool lacks = refusal_in_rights(cases[i].effective, cases[i].uid_map, &why);

		if (lacks != !!cases[i].words || (lacks && !strstr(why.text, cases[i].words)))
			fail_msg("case %zu: %d, '%s'", i, lacks, why.text);
	}
}

static void test_lockdown(void **state)
{
	(void)state;
	assert_true(refusal_is_lockdown("none integrity [confidentiality]\n", "confidentiality"));
	assert_false(refusal_is_lockdown("none [integrity] confidentiality\n", "confidentiality"));
	assert_false(refusal_is_lockdown("[none] integrity confidentiality\n", "confidentiality"));
	assert_false(refusal_is_lockdown("[confidentialit]\n", "confidentiality"));
	assert_false(refusal_is_lockdown("[confidentiality", "confidentiality"));
	assert_false(refusal_is_lockdown("", "confidentiality"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_lockdown),
	};

	return cmocka_run_group_tests_name("refusal", tests, NULL, NULL);
}
