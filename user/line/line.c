// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's record, checked and turned into what a line says.
 *
 * A record is refused if its size, verdict, rule or flags are none that a program of this ABI
 * writes: what else it says cannot be relied on then. Names never are a reason to refuse it:
 * some of them the caller of connect(2) can choose.
 */
#include "line/line.h"

#include <errno.h>
#include <string.h>

#include <smtpward/match.h>

#include "line/line_fields.h"

#define EVENT_FLAGS (SMTPWARD_CGROUP_FLAGS | SMTPWARD_EXE_CUT | SMTPWARD_EXE_DELETED)

/* What stands for the names that a list leaves out. */
static const char cut_text[] = "/...";
static const char deleted_text[] = " (deleted)";

_Static_assert(SMTPWARD_CGROUP_SIZE + sizeof(cut_text) + sizeof(deleted_text) - 1 <= LINE_PATH_SIZE,
	       "every joined path fits");
_Static_assert(SMTPWARD_EXE_SIZE <= SMTPWARD_CGROUP_SIZE, "every joined path fits");

/* Names, the last one first, each with its NUL. */
struct names {
	const char *list;
	size_t len;
	size_t missing_at; /* names are missing behind the first so many, from the root */
	bool odd;	   /* no such list; none that names can be told apart in */
};

/* Behind more names than a list can hold: nothing is missing. */
#define MISSING_NOWHERE SIZE_MAX

/* The name nearest to the root of what *end leaves of the list; moves *end before it. */
static const char *line_names_next(const struct names *names, size_t *end)
{
	const char *nul = memrchr(names->list, '\0', *end - 1);
	const char *name = nul ? nul + 1 : names->list;

	*end = name - names->list;
	return name;
}

static size_t line_names_count(const struct names *names)
{
	size_t count = 0;

	for (size_t end = names->len; end > 0; count++)
		line_names_next(names, &end);
	return count;
}

/* Each name must be one that a directory can hold: what joins them is then unambiguous. */
static bool line_names_valid(const char *list, size_t len)
{
	if (len == 0)
		return true;
	if (list[0] == '\0' || list[len - 1] != '\0')
		return false;
	return !memchr(list, '/', len) && !memmem(list, len, "\0", 2);
}

/*
 * A file that is in no directory has one name, whatever is in it: "memfd:" and then what the
 * caller of memfd_create(2) chose, slashes too, or "dev/zero" of shared memory that was
 * executed. It is printed as /proc/PID/exe shows it.
 */
static bool line_names_single(const char *list, size_t len)
{
	return len > 1 && memchr(list, '\0', len) == list + len - 1;
}

static struct names line_names(const char *list, size_t len, size_t size)
{
	struct names names = { .list = list, .len = len, .missing_at = MISSING_NOWHERE };

	if (len > size)
		names.len = size;
	names.odd = len > size || !line_names_valid(list, len);
	return names;
}

static struct names line_names_of_cgroup(const char *list, size_t len, uint32_t flags)
{
	const size_t top = (flags & SMTPWARD_CGROUP_TOP_NAMES) >> SMTPWARD_CGROUP_TOP_SHIFT;
	struct names names = line_names(list, len, SMTPWARD_CGROUP_SIZE);

	if (names.odd)
		return names;
	if (flags & SMTPWARD_CGROUP_CUT)
		names.missing_at = 0;
	if (!(flags & SMTPWARD_CGROUP_TOP)) {
		names.odd = top > 0;
		return names;
	}
	names.missing_at = top ?: 2;
	names.odd = !(flags & SMTPWARD_CGROUP_CUT) || line_names_count(&names) < names.missing_at;
	return names;
}

static struct names line_names_of_exe(const char *list, size_t len, uint32_t flags)
{
	struct names names = line_names(list, len, SMTPWARD_EXE_SIZE);

	if (names.odd && len <= SMTPWARD_EXE_SIZE)
		names.odd = !line_names_single(list, len);
	if (flags & SMTPWARD_EXE_CUT)
		names.missing_at = 0;
	return names;
}

static void line_path_append(struct line_path *path, const char *text, size_t len)
{
	memcpy(path->text + path->len, text, len);
	path->len += len;
	path->text[path->len] = '\0';
}

static void line_path_append_string(struct line_path *path, const char *text)
{
	line_path_append(path, text, strlen(text));
}

/* What the kernel had, behind what no path begins with; NULs at its end are no part of it. */
static void line_path_odd(struct line_path *path, const struct names *names)
{
	size_t end = names->len;

	while (end > 0 && names->list[end - 1] == '\0')
		end--;
	line_path_append(path, "?", 1);
	line_path_append(path, names->list, end);
}

static void line_path_join(struct line_path *path, const struct names *names)
{
	size_t end = names->len;

	if (names->odd) {
		line_path_odd(path, names);
		return;
	}

	for (size_t depth = 0; end > 0 || depth == names->missing_at; depth++) {
		if (depth == names->missing_at)
			line_path_append_string(path, cut_text);
		if (end == 0)
			break;
		line_path_append(path, "/", 1);
		line_path_append_string(path, line_names_next(names, &end));
	}
}

/* Names behind a gap are not looked at: the unit may be among the missing ones. */
static void line_path_unit(struct line_path *path, const struct names *names)
{
	size_t end = names->odd ? 0 : names->len;

	for (size_t depth = 0; end > 0 && depth != names->missing_at; depth++) {
		const char *name = line_names_next(names, &end);

		if (smtpward_is_slice(name, strlen(name)))
			continue;
		line_path_append_string(path, name);
		return;
	}
}

static void line_set_cgroup(struct line *line, const struct names *names)
{
	line_path_join(&line->cgroup, names);
	if (line->cgroup.len == 0)
		line_path_append(&line->cgroup, "/", 1);
	line_path_unit(&line->unit, names);
}

static void line_set_exe(struct line *line, const struct names *names, uint32_t flags)
{
	line_path_join(&line->exe, names);
	if (flags & SMTPWARD_EXE_DELETED)
		line_path_append_string(&line->exe, deleted_text);
}

int line_from_event(const void *record, size_t size, int64_t realtime_offset, struct line *ret)
{
	struct smtpward_event event;
	struct names cgroup, exe;

	if (size != sizeof(event))
		return -EBADMSG;
	memcpy(&event, record, sizeof(event)); /* record need not be aligned */
	if (event.verdict > SMTPWARD_ALLOW || event.rule > SMTPWARD_RULE_NONE ||
	    event.flags & ~EVENT_FLAGS)
		return -EBADMSG;
	cgroup = line_names_of_cgroup(event.cgroup, event.cgroup_len, event.flags);
	exe = line_names_of_exe(event.exe, event.exe_len, event.flags);
	*ret = (struct line){
		.kind = LINE_ATTEMPT,
		.time = event.time_ns + (uint64_t)realtime_offset,
		.record = event,
	};
	line_set_cgroup(ret, &cgroup);
	line_set_exe(ret, &exe, event.flags);
	line_shorten(ret);
	return 0;
}

int line_from_caller(const struct smtpward_caller_key *key, const struct smtpward_caller *caller,
		     uint64_t suppressed, uint64_t lost, uint64_t time, struct line *ret)
{
	struct names cgroup;

	if (caller->flags & ~(SMTPWARD_CGROUP_FLAGS | SMTPWARD_CALLER_NAMED))
		return -EBADMSG;
	cgroup = line_names_of_cgroup(caller->cgroup, caller->cgroup_len, caller->flags);
	*ret = (struct line){
		.kind = key->shared ? LINE_ANYONE : LINE_SUMMARY,
		.time = time,
		.record = { .euid = key->euid, .cgroup_id = key->cgroup_id },
		.suppressed = suppressed,
		.lost = lost,
	};
	if (caller->flags & SMTPWARD_CALLER_NAMED)
		line_set_cgroup(ret, &cgroup);
	line_shorten(ret);
	return 0;
}

void line_from_anyone(uint64_t suppressed, uint64_t lost, uint64_t time, struct line *ret)
{
	*ret = (struct line){
		.kind = LINE_ANYONE,
		.time = time,
		.suppressed = suppressed,
		.lost = lost,
	};
}

void line_from_alert(const char *alert, bool healed, uint64_t time, struct line *ret)
{
	*ret = (struct line){
		.kind = LINE_ALERT,
		.time = time,
		.healed = healed,
	};
	ret->alert.len = strnlen(alert, sizeof(ret->alert.text) - 1);
	memcpy(ret->alert.text, alert, ret->alert.len);
}
