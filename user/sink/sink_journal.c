// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines to the systemd journal in journald's own protocol, one datagram each: the line of text
 * as MESSAGE, and beside it each field by itself, so that a line is found by what it says. The
 * protocol is documented as stable (systemd.io/JOURNAL_NATIVE_PROTOCOL), and these are a few
 * lines of it; its library would bring in more than all of the log has, hides the system call
 * that a receipt needs, and waits where journald has no room.
 *
 * A value is quoted as in the line: what is found in one form of it finds the other. So no value
 * has a newline in it, and none needs the protocol's second form, which has lengths. A datagram
 * too long for the socket could be passed as a file, by memfd_create(2), which a sandbox should
 * not need to allow: that happens only where net.core.wmem_max is set to next to nothing, and
 * then the line is there without its fields.
 */
#include "sink/sink.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/quote.h"
#include "line/line_fields.h"
#include "sink/sink_datagram.h"

#define JOURNAL_PREFIX "SMTPWARD_"

/* The line twice, and each time a field's name is longer by the prefix. */
#define JOURNAL_FIELDS_MAX 64
#define JOURNAL_ENTRY_SIZE \
	(2UL * LINE_TEXT_SIZE + JOURNAL_FIELDS_MAX * (sizeof(JOURNAL_PREFIX) - 1) + 256)

struct sink_journal {
	struct sink sink; /* first: the ops get a pointer to it */
	struct sink_datagram datagram;
	/* The entry on its way. Once something did not fit, nothing more does. */
	char entry[JOURNAL_ENTRY_SIZE];
	size_t used;
	bool overflow;
};

static void journal_append(struct sink_journal *journal, const char *text, size_t len)
{
	if (journal->overflow || sizeof(journal->entry) - journal->used < len) {
		journal->overflow = true;
		return;
	}
	memcpy(journal->entry + journal->used, text, len);
	journal->used += len;
}

static void journal_append_name(struct sink_journal *journal, const char *name)
{
	journal_append(journal, JOURNAL_PREFIX, sizeof(JOURNAL_PREFIX) - 1);
	for (; *name; name++) {
		const char upper = (char)toupper((unsigned char)*name);

		journal_append(journal, &upper, 1);
	}
	journal_append(journal, "=", 1);
}

static void journal_append_quoted(struct sink_journal *journal, const struct line_field *field)
{
	ssize_t quoted;

	if (journal->overflow)
		return;
	quoted = quote_list(field->text, field->len, field->separator,
			    journal->entry + journal->used, sizeof(journal->entry) - journal->used);
	if (quoted < 0)
		journal->overflow = true;
	else
		journal->used += quoted;
}

static void journal_append_field(struct sink_journal *journal, const struct line_field *field)
{
	char digits[24];

	journal_append_name(journal, field->name);
	switch (field->kind) {
	case LINE_NUMBER:
		if (field->text)
			journal_append(journal, field->text, field->len);
		else
			journal_append(journal, digits,
				       snprintf(digits, sizeof(digits), "%" PRIu64, field->number));
		break;
	case LINE_NONE:
	case LINE_WORD:
		journal_append(journal, field->text, field->len);
		break;
	case LINE_STRING:
		journal_append_quoted(journal, field);
		break;
	}
	journal_append(journal, "\n", 1);
}

/* Begins an entry with journald's own fields of a line to syslog, but a time with a year. */
static int journal_begin(struct sink_journal *journal, const struct line *line)
{
	const int priority = sink_priority(line);
	char time[LINE_TIME_SIZE];
	int head, text;

	line_time_text(line->time, time);
	head = snprintf(journal->entry, sizeof(journal->entry),
			"PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=smtpward\n"
			"SYSLOG_PID=%d\nSYSLOG_TIMESTAMP=%s\nMESSAGE=",
			LOG_PRI(priority), LOG_FAC(priority), getpid(), time);
	text = line_to_text(line, journal->entry + head, sizeof(journal->entry) - head);
	if (text < 0)
		return text;
	journal->used = head + text;
	journal->overflow = false;
	journal_append(journal, "\n", 1);
	return 0;
}

static int journal_deliver(struct sink_journal *journal, const struct line *line, bool fields,
			   struct smtpward_receipt *receipt)
{
	struct line_field field = { 0 };
	int r = journal_begin(journal, line);

	if (r)
		return r;
	while (fields && line_next_field(line, &field))
		journal_append_field(journal, &field);
	if (journal->overflow)
		return -EMSGSIZE;
	return sink_datagram_send(&journal->datagram, journal->entry, journal->used, receipt);
}

static int journal_write(struct sink *sink, const struct line *line,
			 struct smtpward_receipt *receipt)
{
	struct sink_journal *journal = (struct sink_journal *)sink;
	struct line shorter;
	int r = journal_deliver(journal, line, true, receipt);

	if (r == -EMSGSIZE)
		r = journal_deliver(journal, line, false, receipt);
	if (r != -EMSGSIZE)
		return r;
	sink_datagram_shorten(line, &shorter);
	return journal_deliver(journal, &shorter, false, receipt);
}

static int journal_poll_fd(struct sink *sink)
{
	return sink_datagram_poll_fd(&((struct sink_journal *)sink)->datagram);
}

static int journal_reopen(struct sink *sink)
{
	sink_datagram_close(&((struct sink_journal *)sink)->datagram);
	return 0;
}

static void journal_free(struct sink *sink)
{
	struct sink_journal *journal = (struct sink_journal *)sink;

	sink_datagram_close(&journal->datagram);
	free(journal);
}

static const struct sink_ops journal_ops = {
	.name = "journal",
	.write = journal_write,
	.poll_fd = journal_poll_fd,
	.reopen = journal_reopen,
	.free = journal_free,
};

int sink_journal_open(const char *path, struct sink **ret)
{
	struct sink_datagram datagram;
	struct sink_journal *journal;
	int r;

	assert(path && ret);

	r = sink_datagram_name(path, &datagram);
	if (r)
		return r;
	journal = calloc(1, sizeof(*journal));
	if (!journal)
		return -ENOMEM;
	journal->sink.ops = &journal_ops;
	journal->datagram = datagram;
	*ret = &journal->sink;
	return 0;
}
