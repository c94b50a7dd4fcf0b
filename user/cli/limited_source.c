// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks a child, and reads its answers; see limited_source.h. A child and not a thread: a thread
 * that waits for a dead file server cannot be stopped, and a process does not end before all of
 * its threads have ended.
 */
#include "cli/limited_source.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"

enum limited_question {
	LIMITED_READ,
	LIMITED_EXPAND,
	LIMITED_SAME,
	LIMITED_USER,
	LIMITED_GROUP,
};

/* A question has two texts, and the second may be empty; an answer has any number of texts. */
struct limited_message {
	uint32_t question;
	int32_t r;
	uint32_t id;
	uint32_t n_texts;
	struct limited_text {
		char *bytes; /* with a NUL behind */
		uint32_t size;
	} * texts;
};

/* The longest text: far longer than any file of a policy. */
#define LIMITED_TEXT_MAX (16U << 20)
#define LIMITED_TEXTS_MAX (1U << 20)

static void limited_message_clear(struct limited_message *message)
{
	for (uint32_t i = 0; message->texts && i < message->n_texts; i++)
		free(message->texts[i].bytes);
	free(message->texts);
	*message = (struct limited_message){ 0 };
}

static int64_t limited_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the descriptor is ready. deadline_ms: 0 is no deadline. */
static int limited_wait(int fd, short events, int64_t deadline_ms)
{
	struct pollfd ready = { .fd = fd, .events = events };

	for (;;) {
		const int64_t left = deadline_ms ? deadline_ms - limited_now_ms() : -1;
		int n;

		if (deadline_ms && left <= 0)
			return -ETIMEDOUT;
		n = poll(&ready, 1, (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int limited_send(int fd, const void *bytes, size_t size, int64_t deadline_ms)
{
	const char *at = bytes;

	while (size) {
		int r = limited_wait(fd, POLLOUT, deadline_ms);
		ssize_t n;

		if (r)
			return r;
		n = send(fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		at += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int limited_receive(int fd, void *bytes, size_t size, int64_t deadline_ms)
{
	char *at = bytes;

	while (size) {
		int r = limited_wait(fd, POLLIN, deadline_ms);
		ssize_t n;

		if (r)
			return r;
		n = recv(fd, at, size, MSG_DONTWAIT);
		if (!n)
			return -EPIPE;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		at += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int limited_send_message(int fd, const struct limited_message *message, int64_t deadline_ms)
{
	const uint32_t head[] = { message->question, (uint32_t)message->r, message->id,
				  message->n_texts };
	int r = limited_send(fd, head, sizeof(head), deadline_ms);

	for (uint32_t i = 0; i < message->n_texts && !r; i++) {
		const struct limited_text *text = &message->texts[i];

		r = limited_send(fd, &text->size, sizeof(text->size), deadline_ms);
		if (r)
			return r;
		r = limited_send(fd, text->bytes, text->size, deadline_ms);
	}
	return r;
}

static int limited_receive_text(int fd, struct limited_text *ret_text, int64_t deadline_ms)
{
	_cleanup_free_ char *bytes = NULL;
	uint32_t size;
	int r = limited_receive(fd, &size, sizeof(size), deadline_ms);

	if (r)
		return r;
	if (size > LIMITED_TEXT_MAX)
		return -EMSGSIZE;
	bytes = calloc(1, (size_t)size + 1);
	if (!bytes)
		return -ENOMEM;
	r = limited_receive(fd, bytes, size, deadline_ms);
	if (r)
		return r;
	*ret_text = (struct limited_text){ TAKE_PTR(bytes), size };
	return 0;
}

static int limited_receive_message(int fd, struct limited_message *ret_message, int64_t deadline_ms)
{
	_cleanup_(limited_message_clear) struct limited_message message = { 0 };
	uint32_t head[4];
	int r = limited_receive(fd, head, sizeof(head), deadline_ms);

	if (r)
		return r;
	if (head[3] > LIMITED_TEXTS_MAX)
		return -EMSGSIZE;
	message.question = head[0];
	message.r = (int32_t)head[1];
	message.id = head[2];
	message.texts = calloc(head[3] ?: 1, sizeof(*message.texts));
	if (!message.texts)
		return -ENOMEM;
	message.n_texts = head[3];
	for (uint32_t i = 0; i < head[3]; i++) {
		r = limited_receive_text(fd, &message.texts[i], deadline_ms);
		if (r)
			return r;
	}
	*ret_message = message;
	message.texts = NULL;
	return 0;
}

/* The child's side. */

static int limited_add_text(struct limited_message *answer, char *bytes, size_t size)
{
	answer->texts = calloc(1, sizeof(*answer->texts));
	if (!answer->texts) {
		free(bytes);
		return -ENOMEM;
	}
	answer->texts[0] = (struct limited_text){ bytes, (uint32_t)size };
	answer->n_texts = 1;
	return 0;
}

/* why: the reason as an allocated text, or NULL. */
static int limited_fail(int failure, char *why, struct limited_message *answer)
{
	int r = why ? limited_add_text(answer, why, strlen(why)) : 0;

	return r ? r : failure;
}

static int limited_do_read(const char *path, struct limited_message *answer)
{
	char *text = NULL, *why = NULL;
	size_t size = 0;
	int r = policy_source_system.read(NULL, path, &text, &size, &why);

	if (!r)
		return limited_add_text(answer, text, size);
	return limited_fail(r, why, answer);
}

static int limited_do_expand(const char *includer, const char *pattern,
			     struct limited_message *answer)
{
	char **paths = NULL, *why = NULL;
	size_t n = 0;
	int r = policy_source_system.expand(NULL, includer, pattern, &paths, &n, &why);

	if (r)
		return limited_fail(r, why, answer);
	answer->texts = calloc(n ?: 1, sizeof(*answer->texts));
	if (!answer->texts)
		return -ENOMEM; /* the child frees nothing, as it ends */
	for (size_t i = 0; i < n; i++)
		answer->texts[i] = (struct limited_text){ paths[i], (uint32_t)strlen(paths[i]) };
	answer->n_texts = (uint32_t)n;
	free(paths);
	return 0;
}

static int limited_do(const struct limited_message *question, struct limited_message *answer)
{
	const struct policy_source *system = &policy_source_system;
	const char *a = question->texts[0].bytes, *b = question->texts[1].bytes;

	switch ((enum limited_question)question->question) {
	case LIMITED_READ:
		return limited_do_read(a, answer);
	case LIMITED_EXPAND:
		return limited_do_expand(a, b, answer);
	case LIMITED_SAME:
		return system->same(NULL, a, b);
	case LIMITED_USER:
		return system->user(NULL, a, &answer->id);
	case LIMITED_GROUP:
		return system->group(NULL, a, &answer->id);
	}
	return -EINVAL;
}

static int limited_answer(int fd)
{
	_cleanup_(limited_message_clear) struct limited_message question = { 0 }, answer = { 0 };
	int r = limited_receive_message(fd, &question, 0);

	if (r)
		return r;
	if (question.n_texts != 2)
		return -EINVAL;
	answer.r = limited_do(&question, &answer);
	return limited_send_message(fd, &answer, 0);
}

/*
 * The child closes all other descriptors: it would hold a lock of the parent's as long as it
 * waits.
 */
static int limited_close_others(int fd)
{
	const int kept = STDERR_FILENO + 1;

	if (dup2(fd, kept) < 0 || close_range((unsigned int)kept + 1, ~0U, 0))
		return -errno;
	return kept;
}

/* Ends by SIGKILL: the child must neither flush the parent's buffers nor run its exit handlers. */
static void limited_serve(int fd, pid_t parent)
{
	const int only = limited_close_others(fd);

	if (only >= 0 && !prctl(PR_SET_PDEATHSIG, SIGKILL) && getppid() == parent)
		while (!limited_answer(only))
			;
	raise(SIGKILL);
}

/* The parent's side. */

static int limited_ask(struct limited_source *limited, enum limited_question question,
		       const char *a, const char *b, struct limited_message *ret_answer)
{
	struct limited_text texts[] = {
		{ (char *)a, (uint32_t)strlen(a) },
		{ (char *)b, (uint32_t)strlen(b) },
	};
	const struct limited_message message = {
		.question = (uint32_t)question,
		.n_texts = ARRAY_SIZE(texts),
		.texts = texts,
	};
	int r = limited->failed;

	if (!r)
		r = limited_send_message(limited->fd, &message, limited->deadline_ms);
	if (!r)
		r = limited_receive_message(limited->fd, ret_answer, limited->deadline_ms);
	if (r)
		limited->failed = r;
	return r;
}

static int limited_read(void *userdata, const char *path, char **ret_text, size_t *ret_size,
			char **reterr_why)
{
	_cleanup_(limited_message_clear) struct limited_message answer = { 0 };
	int r = limited_ask(userdata, LIMITED_READ, path, "", &answer);

	if (r)
		return r;
	if (answer.r && answer.n_texts)
		*reterr_why = TAKE_PTR(answer.texts[0].bytes);
	if (answer.r || !answer.n_texts)
		return answer.r ?: -EPROTO;
	*ret_text = TAKE_PTR(answer.texts[0].bytes);
	*ret_size = answer.texts[0].size;
	return 0;
}

static int limited_expand(void *userdata, const char *includer, const char *pattern,
			  char ***ret_paths, size_t *ret_n, char **reterr_why)
{
	_cleanup_(limited_message_clear) struct limited_message answer = { 0 };
	char **paths;
	int r = limited_ask(userdata, LIMITED_EXPAND, includer, pattern, &answer);

	if (r)
		return r;
	if (answer.r && answer.n_texts)
		*reterr_why = TAKE_PTR(answer.texts[0].bytes);
	if (answer.r)
		return answer.r;
	paths = calloc(answer.n_texts ?: 1, sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	for (uint32_t i = 0; i < answer.n_texts; i++)
		paths[i] = TAKE_PTR(answer.texts[i].bytes);
	*ret_paths = paths;
	*ret_n = answer.n_texts;
	return 0;
}

static int limited_same(void *userdata, const char *a, const char *b)
{
	_cleanup_(limited_message_clear) struct limited_message answer = { 0 };
	int r = limited_ask(userdata, LIMITED_SAME, a, b, &answer);

	return r ? 0 : answer.r;
}

static int limited_id(void *userdata, enum limited_question question, const char *name,
		      uint32_t *ret_id)
{
	_cleanup_(limited_message_clear) struct limited_message answer = { 0 };
	int r = limited_ask(userdata, question, name, "", &answer);

	if (r || answer.r)
		return r ?: answer.r;
	*ret_id = answer.id;
	return 0;
}

static int limited_user(void *userdata, const char *name, uint32_t *ret_uid)
{
	return limited_id(userdata, LIMITED_USER, name, ret_uid);
}

static int limited_group(void *userdata, const char *name, uint32_t *ret_gid)
{
	return limited_id(userdata, LIMITED_GROUP, name, ret_gid);
}

int limited_source_open(unsigned int seconds, struct limited_source *ret_limited,
			struct reason *reason)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	const pid_t parent = getpid();
	pid_t child;
	int fds[2];

	/* Reaps a child that could not be stopped in time, and has ended since. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return reason_errno(reason, -errno, "cannot make a socket");
	ours = fds[0];
	theirs = fds[1];
	child = fork();
	if (child < 0)
		return reason_errno(reason, -errno, "cannot make a process");
	if (!child) {
		close(ours);
		limited_serve(theirs, parent);
	}
	*ret_limited = (struct limited_source){
		.source = {
			.read = limited_read,
			.expand = limited_expand,
			.same = limited_same,
			.user = limited_user,
			.group = limited_group,
			.userdata = ret_limited,
		},
		.fd = TAKE_FD(ours),
		.child = child,
		.deadline_ms = limited_now_ms() + (int64_t)seconds * 1000,
	};
	return 0;
}

void limited_source_close(struct limited_source *limited)
{
	/* The closed socket ends the child, too. */
	cleanup_close(&limited->fd);
	if (limited->child > 0) {
		const int wait = kill(limited->child, SIGKILL) || limited->failed ? WNOHANG : 0;

		/*
		 * A child that waits for a file server ends when the server answers: close does
		 * not wait for it.
		 */
		while (waitpid(limited->child, NULL, wait) < 0 && errno == EINTR)
			;
	}
	*limited = (struct limited_source)LIMITED_SOURCE_CLOSED;
}
