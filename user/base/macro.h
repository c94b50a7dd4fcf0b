/* SPDX-License-Identifier: GPL-2.0-only */
/* Macros for everybody: they hand a resource on, or give the length of an array. */
#ifndef SMTPWARD_MACRO_H
#define SMTPWARD_MACRO_H

#include <stddef.h>

#define TAKE_PTR(ptr)                         \
	({                                    \
		__typeof__(ptr) _ptr = (ptr); \
		(ptr) = NULL;                 \
		_ptr;                         \
	})

#define TAKE_FD(fd)             \
	({                      \
		int _fd = (fd); \
		(fd) = -1;      \
		_fd;            \
	})

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#endif /* SMTPWARD_MACRO_H */
