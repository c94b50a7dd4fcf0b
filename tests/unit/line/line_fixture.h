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

/* Another part of the text, by the member that has its length; those behind it move. */
static inline void event_set_part(struct smtpward_event *event, uint32_t *part, const char *text,
				  size_t len)
{
	const uint32_t *const lens[] = { &event->cgroup_len, &event->exe_len, &event->cwd_len,
					 &event->args_len };
	size_t begin = 0, used = 0;

	for (size_t i = 0; i < 4; i++) {
		if (lens[i] < part)
			begin += *lens[i];
		used += *lens[i];
	}
	assert_true(used - *part + len <= sizeof(event->text));
	memmove(event->text + begin + len, event->text + begin + *part, used - begin - *part);
	memcpy(event->text + begin, text, len);
	used += len - *part;
	memset(event->text + used, 'X', sizeof(event->text) - used);
	*part = (uint32_t)len;
}

static inline void event_set_cgroup(struct smtpward_event *event, const char *list, size_t len)
{
	event_set_part(event, &event->cgroup_len, list, len);
}

static inline void event_set_exe(struct smtpward_event *event, const char *list, size_t len)
{
	event_set_part(event, &event->exe_len, list, len);
}

static inline void event_set_cwd(struct smtpward_event *event, const char *list, size_t len)
{
	event_set_part(event, &event->cwd_len, list, len);
}

static inline void event_set_args(struct smtpward_event *event, const char *words, size_t len)
{
	event_set_part(event, &event->args_len, words, len);
}

static inline void event_set_ancestor(struct smtpward_event *event, size_t i, const char *comm)
{
	memset(event->ancestor[i], 0, sizeof(event->ancestor[i]));
	memcpy(event->ancestor[i], comm, strnlen(comm, sizeof(event->ancestor[i])));
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
		.flags = SMTPWARD_CWD_KNOWN,
		.ancestors = 2,
		.comm = "php",
		.ancestor = { "apache2", "systemd" },
	};

	event_set_v4(&event, 203, 0, 113, 9);
	event_set_cgroup(&event, TEXT("apache2.service\0system.slice"));
	event_set_exe(&event, TEXT("php8.2\0bin\0usr"));
	event_set_cwd(&event, TEXT("forum\0www\0srv"));
	event_set_args(&event, TEXT("php\0mail.php"));
	return event;
}

/* What the record of a packet says of it. */
static inline void event_set_packet(struct smtpward_event *event,
				    const struct smtpward_packet *packet)
{
	memcpy(event->text + SMTPWARD_PACKET_AT, packet, sizeof(*packet));
}

#define EXAMPLE_SOURCE                                                                \
	{                                                                             \
		[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 100, [15] = 7 \
	}

/* A packet of a socket of the web server, as the gate of an uplink sees it. */
static inline struct smtpward_event example_packet(void)
{
	const struct smtpward_packet packet = {
		.source = EXAMPLE_SOURCE,
		.mac = 0x525400123456,
		.vlan = 7,
		.device = "eth0",
	};
	struct smtpward_event event = {
		.time_ns = BOOT,
		.generation = 7,
		.cgroup_id = 7311,
		.port = 25,
		.rule = SMTPWARD_RULE_NONE,
		.verdict = SMTPWARD_DENY,
		.hook = SMTPWARD_OF_UPLINK,
		.euid = 33,
		.netns = 4026531840,
	};

	event_set_v4(&event, 203, 0, 113, 9);
	event_set_cgroup(&event, TEXT("apache2.service\0system.slice"));
	event_set_packet(&event, &packet);
	return event;
}

/* A guest's, behind masquerade. */
static inline struct smtpward_event example_guest(void)
{
	const struct smtpward_packet packet = {
		.source = EXAMPLE_SOURCE,
		.original = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 2 },
		.mac = 0x525400123456,
		.iif = 12,
		.device = "eth0",
		.guest = "tap101i0",
	};
	struct smtpward_event event = example_packet();

	event.cgroup_id = 0;
	event.cgroup_len = 0;
	event.euid = 0;
	event_set_packet(&event, &packet);
	return event;
}

#endif /* SMTPWARD_TEST_LINE_FIXTURE_H */
