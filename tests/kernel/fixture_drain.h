/* SPDX-License-Identifier: GPL-2.0-only */
/* The product's drain_all(), in the test itself, and a sink that takes lines slowly. */
#ifndef SMTPWARD_TEST_KERNEL_FIXTURE_DRAIN_H
#define SMTPWARD_TEST_KERNEL_FIXTURE_DRAIN_H

#include "base/reason.h"

struct slow_drain {
	unsigned int every_ms; /* between two lines */
	unsigned int takes;    /* so many lines, and no more */
	unsigned int patience_ms;
	unsigned int taken;
	struct reason reason; /* where it fails */
};

/* Of what is loaded there, and nobody reads. As drain_all(). */
int drain_slowly(const char *pins, struct slow_drain *slow);

#endif /* SMTPWARD_TEST_KERNEL_FIXTURE_DRAIN_H */
