/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why something failed, as a sentence for people, beside the -errno for programs.
 * The layer that knows which object it was about fills it in; the command prints it.
 */
#ifndef SMTPWARD_REASON_H
#define SMTPWARD_REASON_H

struct reason {
	char text[768];
};

/* Both return err. The second appends what err, a negative errno, means. */
int reason_set(struct reason *reason, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int reason_errno(struct reason *reason, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* SMTPWARD_REASON_H */
