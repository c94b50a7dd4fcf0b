/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is in force, as figures: the text format of Prometheus, version 0.0.4, on stdout. Whatever
 * happens on the machine, there are no more of them than the policy's ports and rules make.
 */
#ifndef SMTPWARD_SAY_METRICS_H
#define SMTPWARD_SAY_METRICS_H

#include "pins/figures.h"
#include "pins/state.h"

/* hash: of the policy, in words; empty where an older version loaded it. */
void say_metrics(const struct state *state, const struct figures *figures, const char *hash);

/* Nothing is loaded, or nothing whole. */
void say_metrics_of_nothing(void);

#endif /* SMTPWARD_SAY_METRICS_H */
