// SPDX-License-Identifier: GPL-2.0-only
/* Keepers of local addresses, and the addresses; see fixture_local.h. */
#include "fixture_local.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>

int local_reach(const char *to)
{
	return attempt_in("x.service", to, 25);
}

/* Connects until the result is this, for ms milliseconds from begin at most. */
void local_wait(const char *to, int result, int64_t begin, int64_t ms)
{
	int last;

	while ((last = local_reach(to)) != result) {
		if (clock_ms() > begin + ms)
			fail_msg("%s: %d, and not %d, after %lld ms", to, last, result,
				 (long long)(clock_ms() - begin));
	}
}

pid_t keeper_child(pid_t pid)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[64];
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	file = fopen(path, "re");
	return file && fscanf(file, "%d", &child) == 1 ? child : 0;
}

void keeper_start_at(struct keeper *keeper, const char *pins, child_fn before)
{
	int pipes[2];

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	keeper->pid = fork();
	if (!keeper->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(pipes[1], STDERR_FILENO);
		if (!before || !before(NULL))
			execl(fixture.binary, "smtpward", "local", "--pins", pins, NULL);
		_exit(127);
	}
	assert_true(keeper->pid > 0);
	child_register(keeper->pid);
	close(pipes[1]);
	keeper->fd = pipes[0];
}

void keeper_start(struct keeper *keeper, child_fn before)
{
	keeper_start_at(keeper, fixture.pins, before);
}

/* Reads until the keeper has said what. */
void keeper_says(const struct keeper *keeper, const char *what)
{
	struct pollfd said = { .fd = keeper->fd, .events = POLLIN };
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	char text[4096] = "";
	size_t used = 0;

	while (!strstr(text, what)) {
		const int64_t left = deadline - clock_ms();
		ssize_t got = 0;

		if (left > 0 && poll(&said, 1, (int)left) > 0)
			got = read(keeper->fd, text + used, sizeof(text) - 1 - used);
		if (got <= 0)
			fail_msg("the keeper does not say '%s': %s", what, text);
		used += (size_t)got;
		text[used] = '\0';
	}
}

void keeper_end(struct keeper *keeper)
{
	if (keeper->pid <= 0)
		return;
	kill(keeper->pid, SIGKILL);
	child_reap(keeper->pid, clock_ms() + FIXTURE_PATIENCE, NULL);
	close(keeper->fd);
}

void keeper_keep(struct keeper *keeper, const char *policy)
{
	cgroup_make("x.service");
	policy_load("%s", policy);
	keeper_start(keeper, NULL);
	keeper_says(keeper, "keeping the local addresses");
	local_wait(KEPT4, 0, clock_ms(), FIXTURE_PATIENCE);
}

void local_status(int status, const char *text)
{
	smtpward("status", "--pins", fixture.pins, NULL);
	if (run.status != status || !strstr(run.out, text))
		fail_msg("status %d: %s%s", run.status, run.out, run.err);
}

void local_add(const char *address, uint8_t bits)
{
	assert_int_equal(net_change_address("lo", address, bits, NET_ADD), 0);
}

void local_remove(const char *address, uint8_t bits)
{
	assert_int_equal(net_change_address("lo", address, bits, NET_REMOVE), 0);
}

struct new_route {
	struct nlmsghdr header;
	struct rtmsg route;
	struct rtattr to_attribute;
	unsigned char to[16];
	struct rtattr device_attribute;
	int device;
};

void local_route(const char *address, uint8_t bits, unsigned char table, bool more)
{
	struct new_route request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = more ? RTM_NEWROUTE : RTM_DELROUTE,
			.nlmsg_flags = more ? NLM_F_CREATE : 0,
		},
		.route = {
			.rtm_family = AF_INET6,
			.rtm_dst_len = bits,
			.rtm_table = table,
			.rtm_protocol = RTPROT_STATIC,
			.rtm_scope = RT_SCOPE_HOST,
			.rtm_type = RTN_LOCAL,
		},
		.to_attribute = { RTA_LENGTH(16), RTA_DST },
		.device_attribute = { RTA_LENGTH(4), RTA_OIF },
		.device = (int)if_nametoindex("lo"),
	};

	assert_int_equal(inet_pton(AF_INET6, address, request.to), 1);
	assert_int_equal(net_request(&request), 0);
}

/* Makes /proc/1 the test itself, so that smtpward takes our namespaces for the host's. */
int local_setup(void **state)
{
	char path[32];
	int r = fixture_setup(state);

	snprintf(path, sizeof(path), "/proc/%d", (int)getpid());
	return r ? r : mount(path, "/proc/1", NULL, MS_BIND, NULL);
}
