/* SPDX-License-Identifier: GPL-2.0-only */
/* The product's drain_all(), in the test itself, and a sink that takes lines slowly. */
#ifndef SMTPWARD_TEST_KERNEL_FIXTURE_DRAIN_H
#define SMTPWARD_TEST_KERNEL_FIXTURE_DRAIN_H

#include "base/reason.h"

struct slow_drain {
	unsigned int every_ms; /* between two lines */
	unsigned int takes;    /* so many lines in all */
	unsigned int patience_ms;
	unsigned int taken;
	struct reason reason; /* of a failure */
};

/* Drains the loaded policy's records, which nobody else reads. Returns as drain_all(). */
int drain_slowly(const char *pins, struct slow_drain *slow);

#endif /* SMTPWARD_TEST_KERNEL_FIXTURE_DRAIN_H */
