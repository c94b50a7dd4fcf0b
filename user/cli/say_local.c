// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeps the local addresses, with messages; see say_local.h. The parent is root, reads nothing and
 * waits for its child, which is root until it has opened what it needs.
 */
#include "cli/say_local.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/msg.h"
#include "local/keeper.h"
#include "pins/pins.h"

/* How often a process without a policy looks for one. */
#define LOOK_MS 500

/* The pause after a child that failed; longer after each further failure. */
#define REST_MS 1000
#define REST_MS_MAX 60000

static void say_local_pause(int ms)
{
	const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&pause, NULL);
}

/*
 * Makes the child end with its parent, however the parent ends. setresuid(2) in the child undoes
 * that.
 */
static int say_local_end_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

static void say_local_full(void *userdata, size_t left_out)
{
	(void)userdata;
	if (left_out)
		msg_warning("%zu local addresses and prefixes have no room in the kernel's map: "
			    "'to local' does not match them",
			    left_out);
	else
		msg_info("all local addresses have room again");
}

/* Three looks, as a load ends before the second. */
static int say_local_open(const char *pins, struct keeper **ret_keeper, struct reason *reason)
{
	unsigned int looks = 0;
	int r;

	while ((r = keeper_open(pins, ret_keeper, reason)) == -ENOENT) {
		if (++looks == 3)
			msg_info("no policy is loaded in %s: waiting for one", pins);
		say_local_pause(LOOK_MS);
	}
	return r;
}

static void say_local_tell_task(const struct keeper *keeper)
{
	switch (keeper_task(keeper)) {
	case KEEPER_KEEPS:
		msg_info("keeping the local addresses");
		break;
	case KEEPER_IDLES:
		msg_info("no rule asks for the local addresses");
		break;
	case KEEPER_ELSEWHERE:
		msg_warning("this is another network namespace than the host's, whose addresses "
			    "'to local' means: nothing is kept from here");
		break;
	}
}

/* The signals that end the parent, and SIGCHLD. */
static void say_local_signals(sigset_t *ret_set)
{
	sigemptyset(ret_set);
	sigaddset(ret_set, SIGTERM);
	sigaddset(ret_set, SIGINT);
	sigaddset(ret_set, SIGHUP);
	sigaddset(ret_set, SIGCHLD);
}

static int say_local_once(const struct say_local_options *options, pid_t parent,
			  struct reason *reason)
{
	const struct keeper_notices notices = { say_local_full, NULL };
	_cleanup_(keeper_freep) struct keeper *keeper = NULL;
	int r = say_local_end_with(parent);
	sigset_t signals;

	/* The child ends by these signals, and with its parent. */
	say_local_signals(&signals);
	if (!r && sigprocmask(SIG_UNBLOCK, &signals, NULL))
		r = -errno;
	if (r)
		return reason_errno(reason, r, "cannot see to end with the parent");
	r = say_local_open(options->pins ?: PINS_DEFAULT_PATH, &keeper, reason);
	if (r)
		return r;
	r = keeper_drop_rights(options->user, options->group);
	if (!r)
		r = say_local_end_with(parent);
	if (r)
		return reason_errno(reason, r, "cannot give up the rights that are not needed");
	say_local_tell_task(keeper);
	return keeper_run(keeper, &notices, reason);
}

/* Runs the child; its main() turns the result into the exit status. */
static enum command_result say_local_child(const struct say_local_options *options, pid_t parent)
{
	struct reason reason;

	if (!say_local_once(options, parent, &reason))
		return COMMAND_DONE;
	msg_error("the local addresses are not kept: %s", reason.text);
	return COMMAND_FAILED;
}

/* *ret_failed: the child ended neither by a signal nor because another policy decides. */
static void say_local_judge(int status, bool *ret_failed)
{
	if (WIFSIGNALED(status))
		msg_warning("who keeps the local addresses was ended by signal %d: begun again",
			    WTERMSIG(status));
	*ret_failed = WIFEXITED(status) && WEXITSTATUS(status);
}

/* Waits until the child ends, or a signal tells the parent to end. 0 or -errno. */
static int say_local_wait(pid_t child, const sigset_t *signals, bool *ret_told, bool *ret_failed)
{
	int status;

	*ret_told = *ret_failed = false;
	for (;;) {
		pid_t ended = waitpid(child, &status, WNOHANG);
		int signal;

		if (ended < 0)
			return -errno;
		if (ended) {
			say_local_judge(status, ret_failed);
			return 0;
		}
		signal = sigwaitinfo(signals, NULL);
		if (signal >= 0 && signal != SIGCHLD) {
			*ret_told = true;
			return 0;
		}
	}
}

/* Pauses; true if a signal told the parent to end meanwhile. */
static bool say_local_rest(int ms, const sigset_t *signals)
{
	const struct timespec rest = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	sigset_t ends = *signals;

	sigdelset(&ends, SIGCHLD);
	return sigtimedwait(&ends, NULL, &rest) >= 0;
}

static enum command_result say_local_cannot(int err)
{
	msg_error("cannot keep the local addresses: %s", strerror(-err));
	return COMMAND_FAILED;
}

enum command_result say_local_run(const struct say_local_options *options)
{
	const pid_t parent = getpid();
	int rest = REST_MS;
	sigset_t signals;

	if (geteuid()) {
		msg_error("this needs root, to open the map of the local addresses");
		return COMMAND_FAILED;
	}
	say_local_signals(&signals);
	if (sigprocmask(SIG_BLOCK, &signals, NULL))
		return say_local_cannot(-errno);
	for (;;) {
		bool told = false, failed = false;
		pid_t child = fork();
		int r;

		if (!child)
			return say_local_child(options, parent);
		r = child < 0 ? -errno : say_local_wait(child, &signals, &told, &failed);
		if (r)
			return say_local_cannot(r);
		if (told || (failed && say_local_rest(rest, &signals)))
			return COMMAND_DONE;
		rest = !failed ? REST_MS : rest < REST_MS_MAX / 2 ? 2 * rest : REST_MS_MAX;
	}
}

enum command_result say_local_start(const struct say_local_options *options, bool *ret_child)
{
	const pid_t parent = getpid();
	pid_t child = fork();

	*ret_child = !child;
	if (child < 0)
		return say_local_cannot(-errno);
	if (child)
		return COMMAND_DONE;
	return say_local_end_with(parent) ? COMMAND_FAILED : say_local_run(options);
}
