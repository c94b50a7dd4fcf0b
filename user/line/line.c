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

#define EVENT_1_FLAGS (SMTPWARD_CGROUP_FLAGS | SMTPWARD_EXE_CUT | SMTPWARD_EXE_DELETED)
#define EVENT_FLAGS                                                                     \
	(EVENT_1_FLAGS | SMTPWARD_CWD_CUT | SMTPWARD_CWD_DELETED | SMTPWARD_CWD_KNOWN | \
	 SMTPWARD_ARGS_CUT)

/* Marks of a path without some of its names, of a deleted file, of arguments cut short. */
static const char cut_text[] = "/...";
static const char deleted_text[] = " (deleted)";
static const char args_cut_text[] = "...";

_Static_assert(SMTPWARD_TEXT_SIZE + sizeof(cut_text) + sizeof(deleted_text) - 1 <= LINE_PATH_SIZE,
	       "every joined path fits");
_Static_assert(SMTPWARD_CGROUP_SIZE <= SMTPWARD_TEXT_SIZE &&
		       SMTPWARD_EXE_SIZE_1 <= SMTPWARD_TEXT_SIZE,
	       "every joined path fits");
_Static_assert(SMTPWARD_ANCESTORS *(SMTPWARD_COMM_SIZE + 1) <= LINE_PATH_SIZE,
	       "the chain of ancestors fits");

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

static struct names line_names_of_file(const char *list, size_t len, size_t size, bool cut)
{
	struct names names = line_names(list, len, size);

	if (names.odd && len <= size)
		names.odd = !line_names_single(list, len);
	if (cut)
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

/* Appends the kernel's bytes, without NULs at the end, behind '?', with which no path begins. */
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

static void line_set_cwd(struct line *line, const struct names *names, uint32_t flags)
{
	line_path_join(&line->cwd, names);
	if (line->cwd.len == 0 && flags & SMTPWARD_CWD_KNOWN)
		line_path_append(&line->cwd, "/", 1);
	if (flags & SMTPWARD_CWD_DELETED)
		line_path_append_string(&line->cwd, deleted_text);
}

/* The blanks of what a program calls itself are ends of words. */
static void line_split_title(char *words, size_t len)
{
	const char *blank = memchr(words, ' ', len);

	if (!blank || blank == words || blank[-1] != ':' || memchr(words, '\0', len))
		return;
	for (size_t i = 0; i < len; i++)
		if (words[i] == ' ')
			words[i] = '\0';
}

static size_t line_trim_nuls(const char *words, size_t len)
{
	while (len > 0 && words[len - 1] == '\0')
		len--;
	return len;
}

/* A list with a NUL behind each of its words; NULs at its end are no words. */
static void line_set_args(struct line *line, const char *words, size_t len, uint32_t flags)
{
	const bool ends_in_word = len > 0 && words[len - 1] != '\0';
	struct line_path *args = &line->args;

	line_path_append(args, words, line_trim_nuls(words, len));
	line_split_title(args->text, args->len);
	args->len = line_trim_nuls(args->text, args->len);
	if (!(flags & SMTPWARD_ARGS_CUT))
		return;
	/* Behind a part of a word, or for whole words. */
	if (args->len > 0 && !ends_in_word)
		line_path_append(args, "\0", 1);
	line_path_append_string(args, args_cut_text);
}

static void line_add_ancestor(struct line *line, const char comm[SMTPWARD_COMM_SIZE], bool first)
{
	if (!first)
		line_path_append(&line->ancestors, "\0", 1);
	line_path_append(&line->ancestors, comm, strnlen(comm, SMTPWARD_COMM_SIZE));
}

/* The next part of a record's text, which begins at *at and moves *at behind it. */
static const char *line_take_part(const struct smtpward_event *event, size_t *at, uint32_t *len)
{
	const char *part = event->text + *at;

	if (*len > sizeof(event->text) - *at)
		*len = (uint32_t)(sizeof(event->text) - *at);
	*at += *len;
	return part;
}

bool line_is_attempt(const struct line *line)
{
	return line->kind < LINE_SUMMARY;
}

static bool line_is_event(uint8_t verdict, uint16_t rule, uint32_t flags, uint32_t known)
{
	return verdict <= SMTPWARD_ALLOW && rule <= SMTPWARD_RULE_NONE && !(flags & ~known);
}

static void line_set_all(struct line *line, struct smtpward_event *event)
{
	size_t at = 0;
	const char *text = line_take_part(event, &at, &event->cgroup_len);
	struct names names = line_names_of_cgroup(text, event->cgroup_len, event->flags);

	line_set_cgroup(line, &names);
	text = line_take_part(event, &at, &event->exe_len);
	names = line_names_of_file(text, event->exe_len, SMTPWARD_TEXT_SIZE,
				   event->flags & SMTPWARD_EXE_CUT);
	line_set_exe(line, &names, event->flags);
	text = line_take_part(event, &at, &event->cwd_len);
	names = line_names_of_file(text, event->cwd_len, SMTPWARD_TEXT_SIZE,
				   event->flags & SMTPWARD_CWD_CUT);
	line_set_cwd(line, &names, event->flags);
	text = line_take_part(event, &at, &event->args_len);
	line_set_args(line, text, event->args_len, event->flags);
	for (size_t i = 0; i < event->ancestors; i++)
		line_add_ancestor(line, event->ancestor[i], i == 0);
}

#define LINE_VLAN_MAX 4095
#define LINE_MAC_BITS 48

/* Whether the programs can have written what a packet's record says of it. */
static bool line_is_packet(const struct smtpward_event *event)
{
	struct smtpward_packet packet;

	if (event->hook == SMTPWARD_OF_CONNECT || event->hook == SMTPWARD_OF_RAW)
		return true;
	memcpy(&packet, event->text + SMTPWARD_PACKET_AT, sizeof(packet));
	return packet.vlan <= LINE_VLAN_MAX && !(packet.mac >> LINE_MAC_BITS) &&
	       (!packet.iif || event->hook == SMTPWARD_OF_UPLINK);
}

/* The record of a packet, which is of a guest if it came in by a device. */
static void line_set_packet(struct line *line, struct smtpward_event *event)
{
	size_t at = 0;
	const char *text = line_take_part(event, &at, &event->cgroup_len);
	const struct names names = line_names_of_cgroup(text, event->cgroup_len, event->flags);

	memcpy(&line->packet, event->text + SMTPWARD_PACKET_AT, sizeof(line->packet));
	line->kind = LINE_GUEST;
	if (line->packet.iif)
		return;
	line->kind = LINE_PACKET;
	line_set_cgroup(line, &names);
}

static void line_set(struct line *line, struct smtpward_event *event)
{
	if (event->hook == SMTPWARD_OF_PACKET || event->hook == SMTPWARD_OF_UPLINK) {
		line_set_packet(line, event);
		return;
	}
	if (event->hook == SMTPWARD_OF_RAW)
		line->kind = LINE_RAW;
	line_set_all(line, event);
}

int line_from_event(const void *record, size_t size, int64_t realtime_offset, struct line *ret)
{
	struct smtpward_event event;

	if (size != sizeof(event))
		return -EBADMSG;
	memcpy(&event, record, sizeof(event)); /* record need not be aligned */
	if (!line_is_event(event.verdict, event.rule, event.flags, EVENT_FLAGS) ||
	    event.ancestors > SMTPWARD_ANCESTORS || event.hook > SMTPWARD_OF_RAW ||
	    !line_is_packet(&event))
		return -EBADMSG;
	*ret = (struct line){
		.kind = LINE_ATTEMPT,
		.time = event.time_ns + (uint64_t)realtime_offset,
		.record = event,
	};
	line_set(ret, &event);
	line_shorten(ret);
	return 0;
}

int line_from_last(const struct smtpward_row_last *last, struct line *ret)
{
	struct smtpward_event event = {
		.flags = last->flags & ~SMTPWARD_CGROUP_FLAGS,
		.exe_len = last->exe_len,
		.cwd_len = last->cwd_len,
		.args_len = last->args_len,
	};

	memcpy(event.text, last->text, sizeof(event.text));
	return line_from_event(&event, sizeof(event), 0, ret);
}

/* Copies the numbers of a record of ABI 1 into a record of today. */
static struct smtpward_event line_numbers_of_event_1(const struct smtpward_event_1 *event)
{
	struct smtpward_event ret = {
		.time_ns = event->time_ns,
		.generation = event->generation,
		.cgroup_id = event->cgroup_id,
		.port = event->port,
		.rule = event->rule,
		.verdict = event->verdict,
		.uid = event->uid,
		.euid = event->euid,
		.egid = event->egid,
		.auid = event->auid,
		.pid = event->pid,
		.ppid = event->ppid,
		.netns = event->netns,
	};

	memcpy(ret.address, event->address, sizeof(ret.address));
	memcpy(ret.comm, event->comm, sizeof(ret.comm));
	return ret;
}

int line_from_event_1(const void *record, size_t size, int64_t realtime_offset, struct line *ret)
{
	struct smtpward_event_1 event;
	struct names cgroup, exe;

	if (size != sizeof(event))
		return -EBADMSG;
	memcpy(&event, record, sizeof(event));
	if (!line_is_event(event.verdict, event.rule, event.flags, EVENT_1_FLAGS))
		return -EBADMSG;
	cgroup = line_names_of_cgroup(event.cgroup, event.cgroup_len, event.flags);
	exe = line_names_of_file(event.exe, event.exe_len, SMTPWARD_EXE_SIZE_1,
				 event.flags & SMTPWARD_EXE_CUT);
	*ret = (struct line){
		.kind = LINE_ATTEMPT,
		.time = event.time_ns + (uint64_t)realtime_offset,
		.record = line_numbers_of_event_1(&event),
	};
	line_set_cgroup(ret, &cgroup);
	line_set_exe(ret, &exe, event.flags);
	line_add_ancestor(ret, event.parent, true);
	line_shorten(ret);
	return 0;
}

/* A guest's only name is its device's. */
static void line_set_guest(struct line *line, const struct smtpward_caller *caller)
{
	line->kind = LINE_GUEST_SUM;
	if (caller->flags & SMTPWARD_CALLER_NAMED)
		memcpy(line->packet.guest, caller->cgroup, sizeof(line->packet.guest));
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
	if (key->cgroup_id & SMTPWARD_GUEST_BIT)
		line_set_guest(ret, caller);
	else if (caller->flags & SMTPWARD_CALLER_NAMED)
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
