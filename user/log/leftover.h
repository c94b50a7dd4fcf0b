/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records in maps that a load did not take over, and that nobody has read: maps of another ABI,
 * and maps that were spoiled. The maps stay pinned in their generation, and go once every record
 * has its line. An alert tells of records that cannot be read, which go too.
 */
#ifndef SMTPWARD_LEFTOVER_H
#define SMTPWARD_LEFTOVER_H

#include "base/reason.h"
#include "log/drain.h"
#include "sink/sink.h"

/*
 * Drains all generations that do not decide any more, and removes them. Waits for a logger that
 * still reads one of them, which ends when it notices. Returns 0, and adds the written lines to
 * *report; or -errno with a reason: the next load goes on with the rest.
 */
int leftover_drain(const char *path, struct sink *sink, const struct drain_notices *notices,
		   struct drain_report *report, struct reason *reason);

#endif /* SMTPWARD_LEFTOVER_H */
