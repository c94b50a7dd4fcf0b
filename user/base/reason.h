/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why something failed: a sentence for people, beside the -errno for programs. The layer that
 * knows the object fills the sentence in; the command prints it.
 */
#ifndef SMTPWARD_REASON_H
#define SMTPWARD_REASON_H

struct reason {
	char text[768];
};

/* Both functions return err. reason_errno() appends strerror() of err, a negative errno. */
int reason_set(struct reason *reason, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int reason_errno(struct reason *reason, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* SMTPWARD_REASON_H */
