/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text that somebody else chose, made safe to stand between two double quotes on
 * one line of a log or a terminal, and back: the one place that says which bytes are not
 * written as they are.
 */
#ifndef SMTPWARD_QUOTE_H
#define SMTPWARD_QUOTE_H

#include <stddef.h>
#include <sys/types.h>

/* Room for any len bytes, quoted, with a NUL. */
#define QUOTE_SIZE(len) (4 * (len) + 1)

/*
 * src without the quotes around it: '"', '\' and every byte under 0x20 or over 0x7e
 * as \xNN in lower-case hex, so what comes out is printable ASCII, can be turned back
 * into the same bytes, and ends where it seems to end. NUL-terminated. Returns the
 * length, or -ENOSPC if size is under what it needs.
 */
ssize_t quote_text(const char *src, size_t len, char *dst, size_t size);

/* How long that is, without the NUL. */
size_t quote_length(const char *src, size_t len);

/*
 * The same for a list of texts with a NUL between two of them: the separator, a byte that is
 * written as it is otherwise, stands for the NUL, and \xNN for a separator in a text.
 */
ssize_t quote_list(const char *src, size_t len, char separator, char *dst, size_t size);
size_t quote_list_length(const char *src, size_t len, char separator);

/*
 * Back into the bytes: len characters of quoted text, without the quotes around them. dst has
 * room for len bytes and gets no NUL. Returns how many bytes there are, or -EBADMSG if
 * quote_text() does not write such a text: an escape that need not be is none.
 */
ssize_t quote_undo(const char *src, size_t len, char *dst);

/* The same for what quote_list() writes. */
ssize_t quote_list_undo(const char *src, size_t len, char separator, char *dst);

#endif /* SMTPWARD_QUOTE_H */
