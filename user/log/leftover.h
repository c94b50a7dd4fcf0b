/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was recorded into maps that a load did not go on with, and nobody has read: those of
 * another ABI, and those that were spoiled. They stay pinned in their generation, and go once
 * all of it has its line. What cannot be read any more is said in an alert, and goes too.
 */
#ifndef SMTPWARD_LEFTOVER_H
#define SMTPWARD_LEFTOVER_H

#include "base/reason.h"
#include "log/drain.h"
#include "sink/sink.h"

/*
 * Drains all generations that do not decide any more, and removes them. A logger that
 * still reads one of them is waited for: it ends when it notices. Returns 0, with what
 * was written added to *report, or -errno with a reason; what is left then is the next
 * load's.
 */
int leftover_drain(const char *path, struct sink *sink, const struct drain_notices *notices,
		   struct drain_report *report, struct reason *reason);

#endif /* SMTPWARD_LEFTOVER_H */
