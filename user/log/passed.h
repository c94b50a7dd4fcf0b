/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The alerts of the setting `alert`: about each caller that passed the threshold, one, with who,
 * how often, where to and with what; and one when that is over.
 */
#ifndef SMTPWARD_PASSED_H
#define SMTPWARD_PASSED_H

#include <stddef.h>
#include <stdint.h>

#include "log/drain.h"
#include "log/threshold.h"
#include "pins/pins.h"

/* Zeroed: nothing is known. */
struct passed {
	struct threshold threshold;
	uint64_t attempts; /* that the kernel had counted at the last look that read its entries */
	size_t dropped;	   /* alerts whose ends never come, as the setting is another one */
};

/* Counts who made how many attempts, by the setting of the policy in force. 0 or -errno. */
int passed_look(struct passed *passed, const struct pins *pins, struct drain *drain);

/* Writes some of the alerts that are due. Returns as drain_alert(). */
int passed_write(struct passed *passed, const struct pins *pins, struct drain *drain);

void passed_clear(struct passed *passed);

#endif /* SMTPWARD_PASSED_H */
