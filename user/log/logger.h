/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The reader of map_events: turns records into lines until it is told to stop, and
 * sums up what got no line of its own. A record leaves the kernel when its line is
 * out of our hands; where the sink cannot take it, it waits.
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
	LOGGER_REPLACED, /* a load has begun a map_events of its own */
	LOGGER_ALERTED,	 /* enforcement is not what it should be, and until_alert is set */
};

#define LOGGER_ALERT_SIZE 800

struct logger_alert {
	char text[LOGGER_ALERT_SIZE]; /* what is amiss, or was and has been put right */
	bool healed;
	bool ends;   /* a load puts it right: for who cannot heal and is started anew by one */
	bool lifted; /* nothing is in force, and is to be: the log ends as after an unload */
};

/* Looks whether enforcement is what it should be, every few seconds. */
struct logger_watch {
	/* What could keep it from reading has not. */
	void (*begun)(void *userdata);
	/*
	 * A signal ends the logger. What is recorded until this returns is still written.
	 * May be NULL.
	 */
	void (*stopping)(void *userdata);
	/* Returns true if there is an alert. */
	bool (*look)(void *userdata, struct logger_alert *ret_alert);
	/*
	 * After each look, and with unloaded once more at the end: what else is to be said of
	 * what was seen. Called until it returns false.
	 */
	bool (*news)(void *userdata, bool unloaded, struct logger_alert *ret_news);
	/* Each second that the loop has come round. */
	void (*beat)(void *userdata, const struct drain_report *report);
	void *userdata;
	/*
	 * Ends with an alert of those that end it. What was amiss at the first look, and still
	 * is, ends it only after a minute: whoever started it could not help that.
	 */
	bool until_alert;
};

/* What SIGHUP means: a log file was rotated away, or the terminal is gone. */
enum logger_hangup {
	LOGGER_HANGUP_REOPENS,
	LOGGER_HANGUP_ENDS,
};

/*
 * Opens the pinned maps and takes the reader's lock. -ENOENT if nothing is
 * loaded, -EBUSY if another reader runs, each with a reason.
 */
struct logger;
int logger_open(const char *pins, struct logger **ret_logger, struct reason *reason);

/*
 * Reads until SIGTERM or SIGINT, SIGHUP where that ends it (all three blocked by the
 * caller), or until the policy is unloaded. Returns 0 or -errno, with the cause in *ret_end once
 * it has begun: also where the last lines could not be written. sink has to
 * remember what it could not open again, and to try that when it is tended, as a tee does.
 */
int logger_run(struct logger *logger, struct sink *sink, enum logger_hangup hangup,
	       const struct drain_notices *notices, const struct logger_watch *watch,
	       enum logger_end *ret_end, struct reason *reason);

void logger_free(struct logger *logger);
void logger_freep(struct logger **logger);

#endif /* SMTPWARD_LOGGER_H */
