/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a command tells its user, on stderr, as "smtpward: ...". For commands only:
 * everything below them returns errors and says nothing. errno is kept.
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
 * From here on a message that nobody reads is dropped, as on a terminal that is stopped: what
 * goes on meanwhile is more than the message.
 */
void msg_never_wait(void);

/* Says who holds a lock that is waited for. */
void msg_tell_waits(void);

/* libbpf's own messages: its warnings are ours to explain, so they are for -v. */
void msg_capture_libbpf(void);

#endif /* SMTPWARD_MSG_H */
