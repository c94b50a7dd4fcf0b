// SPDX-License-Identifier: GPL-2.0-only
/* Runs smtpward, and collects its output. */
#include "fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <bpf/libbpf.h>

#define ARGUMENTS_MAX 24

struct run run;

/* One of two streams that are read at once, each to its end or the deadline. */
struct stream {
	int fd;
	char *text;
	size_t size, used;
};

static void stream_take(struct stream *stream)
{
	char spill[4096];
	const bool full = stream->used + 1 >= stream->size;
	ssize_t got = full ? read(stream->fd, spill, sizeof(spill))
			   : read(stream->fd, stream->text + stream->used,
				  stream->size - 1 - stream->used);

	if (got <= 0) {
		close(stream->fd);
		stream->fd = -1;
		return;
	}
	if (!full)
		stream->used += (size_t)got;
	stream->text[stream->used] = '\0';
}

static void collect(struct stream streams[2], int64_t deadline)
{
	while (streams[0].fd >= 0 || streams[1].fd >= 0) {
		struct pollfd fds[2] = {
			{ .fd = streams[0].fd, .events = POLLIN },
			{ .fd = streams[1].fd, .events = POLLIN },
		};
		int64_t left = deadline - clock_ms();

		if (left <= 0 || poll(fds, 2, (int)left) <= 0)
			return;
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				stream_take(&streams[i]);
	}
}

static void become_smtpward(const char *const *argv, int out, int err, child_fn before, void *arg)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	if (!before || !before(arg))
		execv(fixture.binary, (char *const *)argv);
	_exit(127);
}

int smtpward_child(const char *const *argv, child_fn before, void *arg)
{
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	struct stream streams[2] = {
		{ .text = run.out, .size = sizeof(run.out) },
		{ .text = run.err, .size = sizeof(run.err) },
	};
	int out[2], err[2], status;
	pid_t pid;

	run.out[0] = run.err[0] = '\0';
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	pid = fork();
	if (!pid)
		become_smtpward(argv, out[1], err[1], before, arg);
	assert_true(pid > 0);
	child_register(pid);
	close(out[1]);
	close(err[1]);
	streams[0].fd = out[0];
	streams[1].fd = err[0];
	collect(streams, deadline);
	cleanup_close(&streams[0].fd);
	cleanup_close(&streams[1].fd);
	if (child_reap(pid, deadline, &status))
		fail_msg("smtpward %s does not end", argv[1]);
	run.status = WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
	return run.status;
}

int smtpward(const char *command, ...)
{
	const char *argv[ARGUMENTS_MAX] = { "smtpward", command };
	va_list arguments;

	va_start(arguments, command);
	for (size_t i = 2; i < ARGUMENTS_MAX - 1; i++) {
		argv[i] = va_arg(arguments, const char *);
		if (!argv[i])
			break;
	}
	va_end(arguments);
	return smtpward_child(argv, NULL, NULL);
}

static const char *write_policy(const char *format, va_list arguments)
{
	static char path[128];
	_cleanup_fclose_ FILE *file = NULL;

	snprintf(path, sizeof(path), "%s/policy.conf", fixture.dir);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(vfprintf(file, format, arguments) >= 0);
	assert_int_equal(fflush(file), 0);
	return path;
}

const char *policy_write(const char *format, ...)
{
	const char *path;
	va_list arguments;

	va_start(arguments, format);
	path = write_policy(format, arguments);
	va_end(arguments);
	return path;
}

int policy_load_file(const char *file)
{
	return smtpward("load", "-c", file, "--cgroup", fixture.attached, "--pins", fixture.pins,
			NULL);
}

void policy_load(const char *format, ...)
{
	const char *path;
	va_list arguments;

	va_start(arguments, format);
	path = write_policy(format, arguments);
	va_end(arguments);
	if (policy_load_file(path))
		fail_msg("load: status %d: %s", run.status, run.err);
}

void policy_unload(void)
{
	if (smtpward("unload", "--pins", fixture.pins, NULL))
		fail_msg("unload: status %d: %s", run.status, run.err);
	if (!access(fixture.pins, F_OK))
		fail_msg("%s is still there after unload", fixture.pins);
}

bool reject_is_there(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_set_retval, NULL) ==
	       1;
}

int reject_or_eperm(int reject)
{
	return reject_is_there() ? reject : EPERM;
}

json_t *status_json(void)
{
	json_error_t error;
	json_t *json;

	smtpward("status", "--json", "--pins", fixture.pins, NULL);
	json = json_loads(run.out, 0, &error);
	if (!json)
		fail_msg("status --json: %s: %s%s", error.text, run.out, run.err);
	return json;
}

uint64_t status_counter(const char *name)
{
	json_auto_t *json = status_json();
	json_t *value = json_object_get(json_object_get(json, "counters"), name);

	if (!json_is_integer(value))
		fail_msg("status --json has no counter %s: %s", name, run.out);
	return (uint64_t)json_integer_value(value);
}
