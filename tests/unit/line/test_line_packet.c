// SPDX-License-Identifier: GPL-2.0-only
/* Records of packets at the bounds of what the programs write, and sums of guests. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "line/line.h"
#include "line/line_fixture.h"

/* The part is such that no hook refuses it. */
static void test_each_hook(void **state __attribute__((unused)))
{
	const struct smtpward_packet none = { .vlan = 0 };
	struct smtpward_event event = example();
	struct line line;

	event_set_packet(&event, &none);
	for (int hook = 0; hook <= UINT8_MAX; hook++) {
		const int expected = hook <= SMTPWARD_OF_RAW ? 0 : -EBADMSG;

		event.hook = (uint8_t)hook;
		if (line_from_event(&event, sizeof(event), 0, &line) != expected)
			fail_msg("hook %d", hook);
	}
}

static void test_bounds(void **state __attribute__((unused)))
{
	static const struct {
		uint8_t hook;
		struct smtpward_packet packet;
		int expected;
	} cases[] = {
		{ SMTPWARD_OF_PACKET, { .vlan = 4095 }, 0 },
		{ SMTPWARD_OF_PACKET, { .vlan = 4096 }, -EBADMSG },
		{ SMTPWARD_OF_UPLINK, { .vlan = 4095, .iif = 1 }, 0 },
		{ SMTPWARD_OF_UPLINK, { .vlan = 4096, .iif = 1 }, -EBADMSG },
		{ SMTPWARD_OF_PACKET, { .mac = 0xffffffffffff }, 0 },
		{ SMTPWARD_OF_PACKET, { .mac = 0x1000000000000 }, -EBADMSG },
		{ SMTPWARD_OF_UPLINK, { .mac = 0xffffffffffff, .iif = 1 }, 0 },
		{ SMTPWARD_OF_UPLINK, { .mac = 0x1000000000000, .iif = 1 }, -EBADMSG },
		{ SMTPWARD_OF_UPLINK, { .iif = UINT32_MAX }, 0 },
		{ SMTPWARD_OF_PACKET, { .iif = 1 }, -EBADMSG },
	};
	struct line line;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtpward_event event = example_packet();

		event.hook = cases[i].hook;
		event_set_packet(&event, &cases[i].packet);
		if (line_from_event(&event, sizeof(event), 0, &line) != cases[i].expected)
			fail_msg("case %zu", i);
	}
}

/* What else stands at the packet's part is none of a task's record. */
static void test_no_packet_of_a_task(void **state __attribute__((unused)))
{
	static const uint8_t hooks[] = { SMTPWARD_OF_CONNECT, SMTPWARD_OF_RAW };
	struct smtpward_event event = example();
	struct line line;

	memset(event.text + SMTPWARD_PACKET_AT, 0xff, sizeof(struct smtpward_packet));
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		event.hook = hooks[i];
		assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
	}
}

static void assert_sum(uint32_t shared, uint32_t flags, const char *name, size_t len,
		       const char *expected)
{
	const struct smtpward_caller_key key = { .cgroup_id = SMTPWARD_GUEST_BIT | 12,
						 .euid = 33,
						 .shared = shared };
	struct smtpward_caller caller = { .cgroup_len = (uint32_t)len, .flags = flags };
	char text[LINE_TEXT_SIZE];
	struct line line;

	memcpy(caller.cgroup, name, len);
	assert_int_equal(line_from_caller(&key, &caller, 12, 3, 0, &line), 0);
	assert_true(line_to_text(&line, text, sizeof(text)) > 0);
	assert_string_equal(text, expected);
}

#define SUM_OF(guest) \
	"v=2 time=1970-01-01T00:00:00.000000Z suppressed=12 lost=3 guest=\"" guest "\""

static void test_sums(void **state __attribute__((unused)))
{
	const uint32_t named = SMTPWARD_CALLER_NAMED;

	assert_sum(1, named, TEXT("tap101i0"), SUM_OF("tap101i0"));
	assert_sum(1, named, TEXT("0123456789abcde"), SUM_OF("0123456789abcde"));
	/* There is no such name; but no byte behind it is read. */
	assert_sum(1, named, TEXT("0123456789abcdefgh"), SUM_OF("0123456789abcdef"));
	assert_sum(1, 0, TEXT("tap101i0"), SUM_OF(""));
	/* A guest has no users. */
	assert_sum(0, named, TEXT("tap101i0"), SUM_OF("tap101i0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_hook),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_no_packet_of_a_task),
		cmocka_unit_test(test_sums),
	};

	return cmocka_run_group_tests_name("line_packet", tests, NULL, NULL);
}
