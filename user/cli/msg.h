/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages of a command to its user, on stderr, as "smtpward: ...". For commands only: all layers
 * below return errors and print nothing. The functions keep errno.
 */
#ifndef SMTPWARD_MSG_H
#define SMTPWARD_MSG_H

enum msg_level {
	MSG_ERROR,
	MSG_WARNING,
	MSG_INFO,  /* not with -q */
	MSG_DEBUG, /* only with -v */
};

void msg_set_level(enum msg_level level);
enum msg_level msg_get_level(void);

void msg_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void msg_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void msg_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * From here on a message that nobody reads, as on a stopped terminal, is dropped: the work that
 * goes on matters more.
 */
void msg_never_wait(void);

/* Makes a process that waits for a lock say who holds it. */
void msg_tell_waits(void);

/* libbpf's own messages are for -v: commands explain its warnings themselves. */
void msg_capture_libbpf(void);

#endif /* SMTPWARD_MSG_H */
