/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The features of the kernel that the programs use and that some kernels lack. Each feature is
 * asked of the kernel by trying it: a version tells nothing of how a kernel was configured or what
 * was ported back to it.
 */
#ifndef SMTPWARD_FEATURE_H
#define SMTPWARD_FEATURE_H

enum feature {
	FEATURE_BTF,
	FEATURE_HOOKS,
	FEATURE_LINKS,
	FEATURE_MEMORY,
	FEATURE_RINGBUF,
	FEATURE_TRACKER,
	FEATURE_REJECT,
	FEATURE_AUID,
	FEATURE_TASK,
	FEATURE_TAI,
	FEATURES,
};

struct feature_info {
	const char *name;
	const char *use;     /* what smtpward uses the feature for */
	const char *lacking; /* what a load without the feature says; NULL: no load says so */
};

extern const struct feature_info feature_infos[FEATURES];

/* 1 or 0; -errno if the kernel does not answer, as without the rights to load programs. */
int feature_ask(enum feature feature);
void features_ask_all(int ret_answers[FEATURES]);

#endif /* SMTPWARD_FEATURE_H */
