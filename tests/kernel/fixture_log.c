// SPDX-License-Identifier: GPL-2.0-only
/* A logger at work, and its lines as fields. */
#include "fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Many times the lines of the longest test. */
#define LOG_MAX (128 << 20)

static void log_path(char *dst, size_t size)
{
	snprintf(dst, size, "%s/lines", fixture.dir);
}

/*
 * Whether the logger blocks SIGTERM: before that, the signal would just kill it. Blocking all
 * signals does not count, as fork(3) of the C library does that for a moment.
 */
static bool blocks_sigterm(pid_t pid)
{
	_cleanup_fclose_ FILE *status = NULL;
	unsigned long long blocked = 0;
	char path[64], line[256];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
			break;
	return (blocked >> (SIGTERM - 1) & 1) && !(blocked >> (SIGUSR1 - 1) & 1);
}

static void become(const char *const *argv, int out, int err, child_fn before)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	if (err >= 0)
		dup2(err, STDERR_FILENO);
	if (!before || !before(NULL))
		execv(fixture.binary, (char *const *)argv);
	_exit(127);
}

static void start(struct log *log, const char *const *argv, int out, int err, child_fn before)
{
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	log->pid = fork();
	if (!log->pid)
		become(argv, out, err, before);
	assert_true(log->pid > 0);
	child_register(log->pid);
	while (!blocks_sigterm(log->pid))
		if (!pause_until(deadline))
			fail_msg("%s does not begin", argv[1]);
}

/* Makes the pipe of the lines; our end does not block, and the logger's end does. */
static int open_pipe(struct log *log)
{
	int pipes[2];

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	log->fd = pipes[0];
	assert_int_equal(fcntl(log->fd, F_SETFL, O_NONBLOCK), 0);
	return pipes[1];
}

static void open_file(struct log *log, const char *path)
{
	log->fd = open(path, O_RDONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	log->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	assert_true(inotify_add_watch(log->notify, path, IN_MODIFY) >= 0);
}

void log_start(struct log *log, enum log_sink sink)
{
	_cleanup_close_ int other_end = -1;
	char path[128];
	const char *argv[] = { "smtpward", "log", "--pins", fixture.pins, "--to", "stderr", NULL };

	*log = (struct log){ .fd = -1, .notify = -1 };
	log_path(path, sizeof(path));
	if (sink == LOG_FILE) {
		argv[5] = path;
		open_file(log, path);
	} else {
		other_end = open_pipe(log);
	}
	if (sink == LOG_JSON)
		argv[5] = "json";
	start(log, argv, sink == LOG_JSON ? other_end : -1, sink == LOG_STDERR ? other_end : -1,
	      NULL);
}

void log_start_run(struct log *log, const char *const *argv, child_fn before)
{
	_cleanup_close_ int other_end = -1;

	*log = (struct log){ .fd = -1, .notify = -1 };
	other_end = open_pipe(log);
	start(log, argv, other_end, other_end, before);
}

static void take(struct log *log)
{
	ssize_t got;

	if (log->used > LOG_MAX)
		fail_msg("the log grows without end");
	do {
		if (log->size - log->used < 65536) {
			log->size = log->size * 2 + 131072;
			log->text = realloc(log->text, log->size);
			assert_non_null(log->text);
		}
		got = read(log->fd, log->text + log->used, log->size - log->used - 1);
		if (got > 0)
			log->used += (size_t)got;
		log->text[log->used] = '\0';
	} while (got > 0);
}

static void sleep_until_more(struct log *log, int64_t deadline)
{
	struct pollfd wait = { .fd = log->notify >= 0 ? log->notify : log->fd, .events = POLLIN };
	int64_t left = deadline - clock_ms();
	char events[4096];

	if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
		return;
	/* The other end is closed: no more lines come, and only the deadline can pass. */
	if (wait.revents == POLLHUP)
		pause_until(deadline);
	while (log->notify >= 0 && read(log->notify, events, sizeof(events)) > 0)
		;
}

/*
 * The next whole line that has needle, from *at, which moves behind it. NULL if there is none yet:
 * then *at is at the unfinished line.
 */
static const char *next_line(const struct log *log, const char *needle, size_t *at)
{
	static char line[32768];
	const char *end;

	while ((end = memchr(log->text + *at, '\n', log->used - *at))) {
		const char *begin = log->text + *at;
		size_t len = (size_t)(end - begin);

		*at += len + 1;
		if (!memmem(begin, len, needle, strlen(needle)))
			continue;
		assert_true(len < sizeof(line));
		memcpy(line, begin, len);
		line[len] = '\0';
		return line;
	}
	return NULL;
}

const char *log_line(struct log *log, const char *needle, unsigned int n)
{
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	unsigned int passed = 0;
	size_t at = 0;

	for (;;) {
		const char *line;

		take(log);
		while ((line = next_line(log, needle, &at)))
			if (passed++ == n)
				return line;
		if (clock_ms() >= deadline)
			fail_msg("the log has no line %u with '%s':\n%.2000s", n, needle,
				 log->text);
		sleep_until_more(log, deadline);
	}
}

unsigned int log_count(const struct log *log, const char *needle)
{
	unsigned int n = 0;

	for (size_t at = 0; next_line(log, needle, &at);)
		n++;
	return n;
}

/* The log looks every two seconds, and says nothing if all is well. */
void log_pass_first_look(void)
{
	const int64_t deadline = clock_ms() + 5000;

	while (pause_until(deadline))
		;
}

int log_wait_exit(struct log *log)
{
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	int status;

	/* A pipe that nobody empties would keep the log from ending. */
	for (;;) {
		pid_t got = waitpid(log->pid, &status, WNOHANG);

		take(log);
		if (got == log->pid)
			break;
		if (!pause_until(deadline))
			fail_msg("the logger does not end");
	}
	child_forget(log->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

void log_end(struct log *log, int signal)
{
	assert_int_equal(kill(log->pid, signal), 0);
	assert_int_equal(log_wait_exit(log), signal == SIGKILL ? 256 + SIGKILL : 0);
}

void log_close(struct log *log)
{
	cleanup_close(&log->fd);
	cleanup_close(&log->notify);
	free(log->text);
	*log = (struct log){ .fd = -1, .notify = -1 };
}

/* Turns quoted text back into bytes. */
static void unquote(const char *from, char separator, struct line_field *field)
{
	while (*from) {
		const bool ends_word = separator && *from == separator;
		unsigned int byte = (unsigned char)*from++;

		if (byte < 0x20 || byte > 0x7e)
			fail_msg("the byte %#x stands unquoted in a line", byte);
		if (byte == '\\') {
			if (sscanf(from, "x%2x", &byte) != 1)
				fail_msg("'\\%.3s' is no quoted byte", from);
			from += 3;
		}
		assert_true(field->len < sizeof(field->value) - 1);
		field->value[field->len++] = ends_word ? '\0' : (char)byte;
	}
	field->value[field->len] = '\0';
}

static void add_field(void *userdata, const char *name, const char *value, size_t len)
{
	struct line *line = userdata;
	struct line_field *field = &line->fields[line->n++];

	assert_true(line->n <= LINE_FIELDS);
	assert_true(strlen(name) < sizeof(field->name) && len < sizeof(field->value));
	memset(field, 0, sizeof(*field));
	memcpy(field->name, name, strlen(name));
	memcpy(field->value, value, len);
	field->len = len;
}

void line_read(const char *text, struct line *ret)
{
	const char *at = strstr(text, "]: ");
	char why[768];

	assert_non_null(at);
	at += 3;
	ret->n = 0;
	if (!line_strict(at, strlen(at), add_field, ret, why, sizeof(why)))
		fail_msg("%s: %s", why, text);
}

static bool is_quoted_field(const char *name)
{
	static const char *const names[] = { "unit",	  "cgroup", "exe",   "cwd", "args",
					     "ancestors", "comm",   "alert", "dev", "guest" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

void line_read_json(const char *text, struct line *ret)
{
	json_error_t error;
	json_auto_t *json = json_loads(text, 0, &error);
	const char *name;
	json_t *value;

	if (!json)
		fail_msg("%s: %s", error.text, text);
	ret->n = 0;
	json_object_foreach(json, name, value)
	{
		struct line_field *field = &ret->fields[ret->n++];

		assert_true(ret->n <= LINE_FIELDS);
		memset(field, 0, sizeof(*field));
		snprintf(field->name, sizeof(field->name), "%s", name);
		if (json_is_integer(value))
			field->len = (size_t)snprintf(field->value, sizeof(field->value),
						      "%" JSON_INTEGER_FORMAT,
						      json_integer_value(value));
		else if (json_is_null(value))
			field->len = (size_t)snprintf(field->value, sizeof(field->value), "null");
		else if (is_quoted_field(name))
			unquote(json_string_value(value),
				!strcmp(name, "args")	     ? ' '
				: !strcmp(name, "ancestors") ? '<'
							     : 0,
				field);
		else
			field->len = (size_t)snprintf(field->value, sizeof(field->value), "%s",
						      json_string_value(value));
	}
}

static const struct line_field *find_field(const struct line *line, const char *name)
{
	const struct line_field *found = NULL;

	for (size_t i = 0; i < line->n; i++) {
		if (strcmp(line->fields[i].name, name))
			continue;
		if (found)
			fail_msg("two fields %s in one line", name);
		found = &line->fields[i];
	}
	return found;
}

const struct line_field *line_field(const struct line *line, const char *name)
{
	const struct line_field *field = find_field(line, name);

	if (!field)
		fail_msg("the line has no field %s", name);
	return field;
}

void line_assert(const struct line *line, const char *name, const char *value)
{
	const struct line_field *field = line_field(line, name);

	if (field->len != strlen(value) || memcmp(field->value, value, field->len))
		fail_msg("%s is '%s', not '%s'", name, field->value, value);
}

void line_assert_list(const struct line *line, const char *name, const char *words, size_t len)
{
	const struct line_field *field = line_field(line, name);
	char got[2048], want[2048];

	if (field->len == len && !memcmp(field->value, words, len))
		return;
	assert_true(len < sizeof(want));
	for (size_t i = 0; i <= field->len; i++)
		got[i] = field->value[i] || i == field->len ? field->value[i] : '|';
	for (size_t i = 0; i < len; i++)
		want[i] = words[i] ? words[i] : '|';
	want[len] = '\0';
	fail_msg("%s is '%s', not '%s'", name, got, want);
}

void line_assert_number(const struct line *line, const char *name, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	line_assert(line, name, text);
}

uint64_t line_number(const struct line *line, const char *name)
{
	const struct line_field *field = find_field(line, name);

	return field ? strtoull(field->value, NULL, 10) : 0;
}
