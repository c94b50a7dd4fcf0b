/* SPDX-License-Identifier: GPL-2.0-only */
/* One name for the objects of a pin directory that lie elsewhere: its kept policy, a lock. Pure. */
#ifndef SMTPWARD_INSTANCE_H
#define SMTPWARD_INSTANCE_H

#include "pins/pins.h"

/*
 * The absolute path of a pin directory as a file name, in the way of `systemd-escape --path`:
 * "/sys/fs/bpf/smtpward" is "sys-fs-bpf-smtpward", "/" is "-". Redundant slashes are left out; a
 * byte that is no letter, digit, ':' or '_' is \xNN, also '.', which bpffs allows in no name. No
 * two directories have the same name.
 *
 * -EINVAL if the path is not absolute or has "." or ".." in it, as it could be any directory's;
 * -ENAMETOOLONG.
 */
int pins_instance_name(const char *path, char ret_name[static PINS_PATH_SIZE]);

/*
 * The option that a command in a message needs for the directory: " --pins DIR", and nothing for
 * the default directory, for NULL and for "".
 */
struct pins_option {
	char text[sizeof(" --pins ") + PINS_PATH_SIZE];
};

struct pins_option pins_option(const char *path);

#endif /* SMTPWARD_INSTANCE_H */
