/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A record as the kernel writes it, for tests to change. Included after cmocka.h.
 */
#ifndef SMTPWARD_TEST_LINE_FIXTURE_H
#define SMTPWARD_TEST_LINE_FIXTURE_H

#include <smtpward/abi.h>

#define BOOT 1000000000ULL

/* A list of names as the kernel writes it. TEXT("b\0a") is /a/b. */
#define TEXT(literal) literal, sizeof(literal)
#define NO_NAMES "", 0

static inline void event_set_cgroup(struct smtpward_event *event, const char *list, size_t len)
{
	assert_true(len <= sizeof(event->cgroup));
	memset(event->cgroup, 'X', sizeof(event->cgroup));
	memcpy(event->cgroup, list, len);
	event->cgroup_len = len;
}

static inline void event_set_exe(struct smtpward_event *event, const char *list, size_t len)
{
	assert_true(len <= sizeof(event->exe));
	memset(event->exe, 'X', sizeof(event->exe));
	memcpy(event->exe, list, len);
	event->exe_len = len;
}

static inline void event_set_v4(struct smtpward_event *event, uint8_t a, uint8_t b, uint8_t c,
				uint8_t d)
{
	memcpy(event->address,
	       ((uint8_t[16]){ [10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c, [15] = d }),
	       16);
}

/* A web page's mail. */
static inline struct smtpward_event example(void)
{
	struct smtpward_event event = {
		.time_ns = BOOT,
		.generation = 7,
		.cgroup_id = 7311,
		.port = 25,
		.rule = SMTPWARD_RULE_NONE,
		.verdict = SMTPWARD_DENY,
		.uid = 33,
		.euid = 33,
		.egid = 33,
		.auid = 1000,
		.pid = 4242,
		.ppid = 4200,
		.netns = 4026531840,
		.comm = "php",
		.parent = "apache2",
	};

	event_set_v4(&event, 203, 0, 113, 9);
	event_set_cgroup(&event, TEXT("apache2.service\0system.slice"));
	event_set_exe(&event, TEXT("php8.2\0bin\0usr"));
	return event;
}

#endif /* SMTPWARD_TEST_LINE_FIXTURE_H */
