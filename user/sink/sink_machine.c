// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines to the machine's log, in the protocol of the daemon that has the socket: journald's own
 * protocol if the daemon is journald, which then keeps the fields, and else syslog's. The daemon
 * is determined before the first line, and again after a write failed.
 */
#include "sink/sink.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "host/trusted.h"

struct sink_machine {
	struct sink sink; /* first: the ops get a pointer to it */
	struct sink_machine_paths paths;
	struct sink *syslog, *journal;
	struct sink *chosen; /* syslog or journal, or NULL */
};

/* Whether log is journald's: /dev/log is a link to journald's socket, or that socket, mounted. */
bool sink_machine_is_journalds(const struct sink_machine_paths *paths)
{
	struct stat log, journald, socket;

	return !stat(paths->log, &log) && !stat(paths->journald_log, &journald) &&
	       trusted_same(&log, &journald) && !stat(paths->journald_socket, &socket) &&
	       S_ISSOCK(socket.st_mode);
}

static int machine_write(struct sink *sink, const struct line *line,
			 struct smtpward_receipt *receipt)
{
	struct sink_machine *machine = (struct sink_machine *)sink;
	int r;

	if (!machine->chosen)
		machine->chosen = sink_machine_is_journalds(&machine->paths) ? machine->journal
									     : machine->syslog;
	r = sink_write(machine->chosen, line, receipt);
	if (r && r != -EAGAIN)
		machine->chosen = NULL;
	return r;
}

static int machine_poll_fd(struct sink *sink)
{
	struct sink_machine *machine = (struct sink_machine *)sink;

	return machine->chosen ? sink_poll_fd(machine->chosen) : -1;
}

static int machine_reopen(struct sink *sink)
{
	struct sink_machine *machine = (struct sink_machine *)sink;

	machine->chosen = NULL;
	sink_reopen(machine->syslog);
	sink_reopen(machine->journal);
	return 0;
}

static void machine_free(struct sink *sink)
{
	struct sink_machine *machine = (struct sink_machine *)sink;

	sink_free(machine->syslog);
	sink_free(machine->journal);
	free(machine);
}

static const struct sink_ops machine_ops = {
	.name = "machine",
	.write = machine_write,
	.poll_fd = machine_poll_fd,
	.reopen = machine_reopen,
	.free = machine_free,
};

int sink_machine_open(const struct sink_machine_paths *paths, struct sink **ret)
{
	struct sink_machine *machine;
	int r;

	assert(paths && ret);

	machine = calloc(1, sizeof(*machine));
	if (!machine)
		return -ENOMEM;
	machine->sink.ops = &machine_ops;
	machine->paths = *paths;
	r = sink_syslog_open(paths->log, &machine->syslog);
	if (!r)
		r = sink_journal_open(paths->journald_socket, &machine->journal);
	if (r) {
		machine_free(&machine->sink);
		return r;
	}
	*ret = &machine->sink;
	return 0;
}
