/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Metrics of the policy in force: the text format of Prometheus, version 0.0.4, on stdout. The
 * number of samples depends only on the policy's ports and rules, whatever happens on the machine.
 */
#ifndef SMTPWARD_SAY_METRICS_H
#define SMTPWARD_SAY_METRICS_H

#include "pins/figures.h"
#include "pins/state.h"

/* hash: the policy's hash as text; empty if an older version loaded the policy. */
void say_metrics(const struct state *state, const struct figures *figures, const char *hash);

/* Prints the metrics for a machine without a policy, or without a whole one. */
void say_metrics_of_nothing(void);

#endif /* SMTPWARD_SAY_METRICS_H */
