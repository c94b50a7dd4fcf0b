/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The reader of map_events: turns records into lines until it is told to stop, and sums up
 * attempts without a line. A record leaves the kernel when its line is out of our hands; if the
 * sink cannot take the line, the record waits.
 */
#ifndef SMTPWARD_LOGGER_H
#define SMTPWARD_LOGGER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/reason.h"
#include "log/drain.h"
#include "sink/sink.h"

enum logger_end {
	LOGGER_STOPPED,	 /* by a signal */
	LOGGER_UNLOADED, /* the gate is open, and the pins are gone */
	LOGGER_LOST,	 /* the pins are gone, and no unload removed them */
	LOGGER_REPLACED, /* a load has begun a new map_events */
	LOGGER_ALERTED,	 /* enforcement is in trouble, and until_alert is set */
};

#define LOGGER_ALERT_SIZE 800

struct logger_alert {
	char text[LOGGER_ALERT_SIZE]; /* what is wrong, or was wrong and is repaired */
	bool healed;
	bool ends;   /* a load repairs it: ends a log that a load will restart */
	bool lifted; /* nothing is in force, as asked for: the log ends as after an unload */
};

/* Watches enforcement: look is called every few seconds. */
struct logger_watch {
	/* Called once reading has begun without an error. */
	void (*begun)(void *userdata);
	/*
	 * Called when a signal ends the logger. Records that come before it returns are still
	 * written. May be NULL.
	 */
	void (*stopping)(void *userdata);
	/* Returns true if there is an alert. */
	bool (*look)(void *userdata, struct logger_alert *ret_alert);
	/*
	 * Called after each look, and with unloaded once more at the end, until it returns false:
	 * other news of what the look saw.
	 */
	bool (*news)(void *userdata, bool unloaded, struct logger_alert *ret_news);
	/* Called each second. */
	void (*beat)(void *userdata, const struct drain_report *report);
	void *userdata;
	/*
	 * An alert with `ends` ends the logger. A trouble of the first look that stays ends it
	 * after a minute only, as whoever started it could not help that.
	 */
	bool until_alert;
};

/*
 * The effect of SIGHUP: reopens a log file that was rotated away, or ends the logger as the
 * terminal is gone.
 */
enum logger_hangup {
	LOGGER_HANGUP_REOPENS,
	LOGGER_HANGUP_ENDS,
};

/*
 * Opens the pinned maps and takes the reader's lock. -ENOENT if nothing is loaded, -EBUSY if
 * another reader runs, each with a reason.
 */
struct logger;
int logger_open(const char *pins, struct logger **ret_logger, struct reason *reason);

/*
 * Reads until SIGTERM or SIGINT, or SIGHUP if that ends it (the caller blocks all three), or until
 * the policy is unloaded. Returns 0 or -errno. Once reading has begun, *ret_end has the cause of
 * the end, even if the last lines could not be written. sink must remember a failed reopen and try
 * it again when it is tended, as a tee does.
 */
int logger_run(struct logger *logger, struct sink *sink, enum logger_hangup hangup,
	       const struct drain_notices *notices, const struct logger_watch *watch,
	       enum logger_end *ret_end, struct reason *reason);

void logger_free(struct logger *logger);
void logger_freep(struct logger **logger);

#endif /* SMTPWARD_LOGGER_H */
