// SPDX-License-Identifier: GPL-2.0-only
/* Keeps the last good policy; see kept.h. */
#include "cli/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "version.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "base/quote.h"
#include "cli/accounts.h"
#include "cli/msg.h"
#include "host/absolute.h"
#include "host/trusted.h"
#include "pins/instance.h"
#include "pins/lock.h"
#include "pins/object.h"
#include "pins/pins.h"
#include "policy/policy_lex.h"

/* More than 64 files of 1 MiB can become in a copy, with numbers and quotes. */
#define KEPT_SIZE_MAX (512U << 20)

#define KEPT_OF_TEXT "# in force as generation "

#define KEPT_INSTANCE_MAX ((int)(NAME_MAX - strlen(".conf.lifted")))

static int kept_name(struct kept *kept, const char *instance)
{
	const int max = KEPT_INSTANCE_MAX;

	if (strlen(instance) > (size_t)max)
		return -ENAMETOOLONG;
	snprintf(kept->name, sizeof(kept->name), "%.*s.conf", max, instance);
	snprintf(kept->new_name, sizeof(kept->new_name), "%.*s.conf.new", max, instance);
	snprintf(kept->lifted, sizeof(kept->lifted), "%.*s.conf.lifted", max, instance);
	snprintf(kept->trial, sizeof(kept->trial), "%.*s.conf.trial", max, instance);
	snprintf(kept->path, sizeof(kept->path), "%s/%s", KEPT_DIRECTORY, kept->name);
	return 0;
}

/* Opens the directory of the copies, which only root can enter: root loads policies from it. */
static int kept_open_directory(bool make, int *ret_fd, struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (make && mkdir(KEPT_DIRECTORY, 0700) && errno != EEXIST)
		return reason_errno(reason, -errno, "cannot make %s", KEPT_DIRECTORY);
	fd = open(KEPT_DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return reason_errno(reason, -errno, "cannot open %s", KEPT_DIRECTORY);
	if ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & (S_IWGRP | S_IWOTH))
		return reason_set(reason, -EPERM,
				  "%s is not used: others than root may write to it; make it "
				  "root's: chown root %s; chmod 700 %s",
				  KEPT_DIRECTORY, KEPT_DIRECTORY, KEPT_DIRECTORY);
	if (st.st_mode & (S_IRWXG | S_IRWXO) && fchmod(fd, 0700))
		return reason_errno(reason, -errno, "cannot take %s from all but root",
				    KEPT_DIRECTORY);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int kept_open_all(const char *pins, bool make, struct kept *kept, struct reason *reason)
{
	char instance[PINS_PATH_SIZE];
	int r = absolute_path(pins, &kept->pins);

	/* The caller takes -ENOENT for a directory of copies that can still be made. */
	if (r == -ENOENT)
		r = -ENOTDIR;
	if (!r)
		r = pins_instance_name(kept->pins, instance);
	if (!r)
		r = kept_name(kept, instance);
	if (r)
		return reason_errno(reason, r, "cannot name the copy of the policy of %s", pins);
	r = lock_take_kept(kept->pins, &kept->lock_fd, reason);
	if (r)
		return r;
	return kept_open_directory(make, &kept->fd, reason);
}

void kept_open(const char *pins, bool make, struct kept *ret_kept)
{
	*ret_kept = (struct kept)KEPT_CLOSED;
	ret_kept->r = kept_open_all(pins ?: PINS_DEFAULT_PATH, make, ret_kept, &ret_kept->why);
}

void kept_close(struct kept *kept)
{
	cleanup_close(&kept->fd);
	cleanup_close(&kept->lock_fd);
	kept->fd = kept->lock_fd = -1;
	free(kept->pins);
	kept->pins = NULL;
}

/* A line that names one load of one boot, alike in all versions. */
static int kept_describe_generation(uint64_t generation, char *dst, size_t size)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	char boot[64] = "";

	if (!file || !fgets(boot, sizeof(boot), file))
		return file ? -EIO : -errno;
	boot[strcspn(boot, "\n")] = '\0';
	snprintf(dst, size, KEPT_OF_TEXT "%" PRIu64 " of boot %s\n", generation, boot);
	return 0;
}

/* The same for the load that the gate names. */
static int kept_describe_load(const struct kept *kept, char *dst, size_t size)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	struct smtpward_gate gate;
	struct reason reason;
	int r = pins_open(kept->pins, &pins, &reason);

	if (!r)
		r = object_read(&pins, 0, "map_gate", &gate, sizeof(gate));
	return r ? r : kept_describe_generation(gate.generation, dst, size);
}

static int kept_write_all(int fd, const char *text, size_t size)
{
	while (size) {
		const ssize_t n = write(fd, text, size);

		if (n < 0 && errno != EINTR)
			return -errno;
		text += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int kept_write_new(const struct kept *kept, const char *head, const char *of,
			  const char *body)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (unlinkat(kept->fd, kept->new_name, 0) && errno != ENOENT)
		return -errno;
	fd = openat(kept->fd, kept->new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	r = kept_write_all(fd, head, strlen(head));
	if (!r)
		r = kept_write_all(fd, of, strlen(of));
	if (r)
		return r;
	r = kept_write_all(fd, body, strlen(body));
	if (r)
		return r;
	return fsync(fd) ? -errno : 0;
}

/*
 * Writes the copy under a new name and renames it: whatever interrupts this, the name has one
 * whole copy.
 */
static int kept_write_as(const struct kept *kept, const char *name, const char *head,
			 const char *of, const char *body)
{
	int r = kept_write_new(kept, head, of, body);

	if (!r && renameat(kept->fd, kept->new_name, kept->fd, name))
		r = -errno;
	if (r) {
		(void)unlinkat(kept->fd, kept->new_name, 0);
		return r;
	}
	return fsync(kept->fd) ? -errno : 0;
}

static int kept_remove(const struct kept *kept, const char *name)
{
	return unlinkat(kept->fd, name, 0) && errno != ENOENT ? -errno : 0;
}

static int kept_write(const struct kept *kept, const char *head, const char *of, const char *body)
{
	int r = kept_write_as(kept, kept->name, head, of, body);

	if (!r)
		r = kept_remove(kept, kept->lifted);
	return r ? r : kept_remove(kept, kept->trial);
}

static void kept_warn(const struct kept *kept, int r)
{
	if (kept->r)
		msg_warning("no copy of the policy is kept for a boot that cannot read it: %s",
			    kept->why.text);
	else if (r)
		msg_warning("no copy of the policy is kept for a boot that cannot read it: cannot "
			    "write %s: %s",
			    kept->path, strerror(-r));
}

static void kept_format_head(const char *config, char *dst, size_t size)
{
	const time_t now = time(NULL);
	char from[QUOTE_SIZE(1024)], when[32];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (quote_text(config, strnlen(config, 1024), from, sizeof(from)) < 0)
		from[0] = '\0';
	snprintf(dst, size,
		 "# The policy that was put in force last, as smtpward keeps it for a boot that\n"
		 "# cannot read the policy itself. The next load writes it anew.\n"
		 "# from %s\n# kept %s by smtpward %s\n",
		 from, when, SMTPWARD_VERSION);
}

struct kept_text {
	char head[QUOTE_SIZE(1024) + 512];
	char of[128];
	char *body;
};

static void kept_text_clear(struct kept_text *text)
{
	free(text->body);
}

/* Makes the text of the copy; makes the directory if there is none. */
static int kept_make_text(struct kept *kept, const struct given_policy *given,
			  struct kept_text *text)
{
	int r;

	if (kept->r == -ENOENT && kept->lock_fd >= 0)
		kept->r = kept_open_directory(true, &kept->fd, &kept->why);
	if (kept->r)
		return kept->r;
	r = policy_print_kept(given->policy, &text->body);
	if (r)
		return r;
	kept_format_head(given->name, text->head, sizeof(text->head));
	return kept_describe_load(kept, text->of, sizeof(text->of));
}

void kept_keep(struct kept *kept, const struct given_policy *given)
{
	_cleanup_(kept_text_clear) struct kept_text text = { .body = NULL };
	int r = kept_make_text(kept, given, &text);

	if (!r)
		r = kept_write(kept, text.head, text.of, text.body);
	kept_warn(kept, r);
}

void kept_put_by(struct kept *kept, const struct given_policy *given)
{
	_cleanup_(kept_text_clear) struct kept_text text = { .body = NULL };
	int r = kept_make_text(kept, given, &text);

	if (!r)
		r = kept_write_as(kept, kept->trial, text.head, text.of, text.body);
	kept_warn(kept, r);
}

/* Reading the copy. */

static int kept_read_all(int fd, size_t size, char **ret_text)
{
	_cleanup_free_ char *text = malloc(size + 1);
	size_t used = 0;

	if (!text)
		return -ENOMEM;
	while (used < size) {
		const ssize_t n = read(fd, text + used, size - used);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n)
			return -EIO; /* nobody makes the file shorter while we have the lock */
		used += n > 0 ? (size_t)n : 0;
	}
	text[used] = '\0';
	*ret_text = TAKE_PTR(text);
	return 0;
}

static int kept_read_named(const struct kept *kept, const char *name, char **ret_text,
			   size_t *ret_size, struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (kept->r)
		return reason_set(reason, kept->r, "%s", kept->why.text);
	fd = openat(kept->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return reason_set(reason, -ENOENT, "%s: %s", kept->path,
				  faccessat(kept->fd, kept->lifted, F_OK, AT_SYMLINK_NOFOLLOW)
					  ? "no policy was kept"
					  : "what was kept has been lifted by 'smtpward unload'");
	if (fd < 0 || fstat(fd, &st))
		return reason_errno(reason, -errno, "cannot open %s", kept->path);
	if (!S_ISREG(st.st_mode) || !trusted_file(fd, &st) || st.st_size > KEPT_SIZE_MAX)
		return reason_set(reason, -EPERM,
				  "%s is not used: it is no file that root alone can write; the "
				  "next load that works makes it anew",
				  kept->path);
	r = kept_read_all(fd, (size_t)st.st_size, ret_text);
	if (r)
		return reason_errno(reason, r, "cannot read %s", kept->path);
	*ret_size = (size_t)st.st_size;
	return 0;
}

static int kept_read_text(const struct kept *kept, char **ret_text, size_t *ret_size,
			  struct reason *reason)
{
	return kept_read_named(kept, kept->name, ret_text, ret_size, reason);
}

static void kept_say_taken(const struct policy *policy, int condition)
{
	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];
		const struct policy_values *values = &rule->values[condition];

		for (size_t k = 0; k < values->n; k++) {
			char name[QUOTE_SIZE(256)];

			if (values->ids[k].id != POLICY_ID_NONE)
				continue;
			if (quote_text(values->ids[k].name, strnlen(values->ids[k].name, 256), name,
				       sizeof(name)) < 0)
				continue;
			msg_warning("%s:%u: the number of the %s '%s' is another's today: it "
				    "matches nothing",
				    rule->place.file, rule->place.line,
				    policy_condition_names[condition], name);
		}
	}
}

int kept_read(const struct kept *kept, struct given_policy *ret_given, struct reason *reason)
{
	const struct policy_source source = {
		.kept_user = accounts_user_keeps,
		.kept_group = accounts_group_keeps,
	};
	_cleanup_(policy_errors_clear) struct policy_errors errors = { 0 };
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int r = kept_read_text(kept, &text, &size, reason);

	if (r)
		return r;
	r = policy_parse_kept(kept->path, text, size, &source, &policy, &errors);
	if (r == -EINVAL) {
		given_policy_explain(&errors.items[0], reason);
		return r;
	}
	if (r)
		return reason_errno(reason, r, "cannot read %s", kept->path);
	for (int condition = 0; condition < SMTPWARD_CONDITIONS_N; condition++)
		if (policy_kinds[condition] == POLICY_ID)
			kept_say_taken(policy, condition);
	return given_policy_take(kept->path, &policy, ret_given, reason) == COMMAND_DONE ? 0
											 : -EINVAL;
}

static bool kept_is_of(const struct kept *kept, const char *name, const char *of)
{
	_cleanup_free_ char *text = NULL;
	struct reason reason;
	size_t size;
	const char *found;

	if (kept_read_named(kept, name, &text, &size, &reason))
		return false;
	found = strstr(text, "\n" KEPT_OF_TEXT);
	return found && !strncmp(found + 1, of, strlen(of));
}

bool kept_is_in_force(const struct kept *kept)
{
	char of[128];

	return !kept_describe_load(kept, of, sizeof(of)) && kept_is_of(kept, kept->name, of);
}

static int kept_move_trial(const struct kept *kept)
{
	if (renameat(kept->fd, kept->trial, kept->fd, kept->name))
		return -errno;
	if (fsync(kept->fd))
		return -errno;
	return kept_remove(kept, kept->lifted);
}

/* Keeps the policy that was confirmed, even if another policy is on trial by now. */
void kept_confirm(const struct kept *kept, uint64_t generation)
{
	char of[128];
	int r = kept_describe_generation(generation, of, sizeof(of));

	if (kept->r || r || kept_is_in_force(kept) || kept_is_of(kept, kept->name, of))
		kept_warn(kept, r);
	else if (kept_is_of(kept, kept->trial, of))
		kept_warn(kept, kept_move_trial(kept));
	else
		msg_warning("no copy of the policy was put by for a boot that cannot read it: "
			    "'smtpward load' keeps one");
}

/*
 * Writes the copy again for the load in force. The head's lines of the origin and the time of the
 * copy stay.
 */
void kept_keep_on(const struct kept *kept)
{
	_cleanup_free_ char *text = NULL;
	struct reason reason;
	char of[128] = "", *found, *body;
	size_t size;
	int r = kept_read_text(kept, &text, &size, &reason);

	if (!r)
		r = kept_describe_load(kept, of, sizeof(of));
	found = r ? NULL : strstr(text, "\n" KEPT_OF_TEXT);
	if (found) {
		body = found + 1 + strcspn(found + 1, "\n");
		body += *body == '\n';
		/* The head ends with the newline before KEPT_OF_TEXT, which is found[0]. */
		found[1] = '\0';
		r = kept_write(kept, text, of, body);
	}
	kept_warn(kept, r);
}

/* Lifting the copy. */

static int kept_move_away(const struct kept *kept)
{
	const struct timespec now[] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_NOW } };
	_cleanup_close_ int fd = -1;

	if (!renameat(kept->fd, kept->name, kept->fd, kept->lifted))
		return fsync(kept->fd) ? -errno : 0;
	if (errno != ENOENT)
		return -errno;
	/* There was no copy, but a process that tries again to load must see the lift. */
	fd = openat(kept->fd, kept->lifted, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	return futimens(fd, now) ? -errno : 0;
}

void kept_lift(const struct kept *kept)
{
	int moved, removed;

	/* Nothing was ever kept, and no process tries again. */
	if (kept->r == -ENOENT && kept->lock_fd >= 0)
		return;
	if (kept->r) {
		msg_warning("what was kept is not marked as lifted: %s", kept->why.text);
		return;
	}
	moved = kept_move_away(kept);
	removed = kept_remove(kept, kept->trial);
	if (moved)
		msg_warning("what was kept is not marked as lifted: cannot rename %s: %s",
			    kept->path, strerror(-moved));
	if (removed)
		msg_warning("what was on trial is not removed: %s: %s", kept->trial,
			    strerror(-removed));
}

struct kept_lift kept_last_lift(const struct kept *kept)
{
	struct kept_lift lift = { 0 };
	struct stat st;

	if (!kept->r && !fstatat(kept->fd, kept->lifted, &st, AT_SYMLINK_NOFOLLOW))
		lift = (struct kept_lift){ st.st_ctim, st.st_ino };
	return lift;
}
