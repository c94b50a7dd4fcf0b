/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command line, or what of it leads to the script, as struct smtpward_event keeps it.
 *
 * Command lines carry passwords, and the reader's group can read map_events: what
 * SMTPWARD_ARGS_SCRIPT leaves out is not there. It has
 *
 *   - the first word, argv[0], as a whole,
 *   - of each word that begins with '-', the letter of "-psecret" and the name of
 *     "--password=secret", and nothing behind these,
 *   - the word behind argv[0], if that word does not begin with '-', and nothing behind it:
 *     `perl x.pl`,
 *   - if the executable is a known interpreter, the first word behind an option that looks like a
 *     script's path: it begins with '/', "./" or "../", or ends as names of scripts do, and has no
 *     byte that is not usual in a path. `perl -w x.pl` has one, `sh -c '/bin/x -p y'` has none.
 *     A word that does not look so is the value of some options, as of -d in `php -d a=b x.php`.
 *     Behind any other option it may be code or a module, and nothing behind it is kept.
 *
 * Every other word behind an option may be the option's value, such as a password, and is left out.
 *
 * The program of a task can overwrite the words, and php-fpm does.
 */
#ifndef SMTPWARD_BPF_ARGS_H
#define SMTPWARD_BPF_ARGS_H

#include "task.h"

#define ARGS_WORDS 10	   /* that are looked at */
#define ARGS_WORD_SIZE 256 /* of a word, with its NUL */
#define ARGS_OPTION_SIZE 24
#define ARGS_ALL_SIZE 512

static const char args_zeros[ARGS_WORD_SIZE];

/* Flags of a byte: it may stand in the name of an option, or in a path. */
#define ARGS_IN_OPTION 1
#define ARGS_IN_PATH 2
#define ARGS_IN_BOTH (ARGS_IN_OPTION | ARGS_IN_PATH)

static const __u8 args_bytes[256] = {
	['0' ... '9'] = ARGS_IN_BOTH, ['A' ... 'Z'] = ARGS_IN_BOTH, ['a' ... 'z'] = ARGS_IN_BOTH,
	['-'] = ARGS_IN_BOTH,	      ['_'] = ARGS_IN_BOTH,	    ['.'] = ARGS_IN_PATH,
	['/'] = ARGS_IN_PATH,	      ['+'] = ARGS_IN_PATH,
};

/* Bytes as a number, in whatever order the machine has them. */
#define ARGS_FOUR(a, b, c, d) ((__u32)(a) | (__u32)(b) << 8 | (__u32)(c) << 16 | (__u32)(d) << 24)

static __always_inline __u32 args_four(const char *text)
{
	return ARGS_FOUR((__u8)text[0], (__u8)text[1], (__u8)text[2], (__u8)text[3]);
}

static __always_inline bool args_is_interpreter(const struct smtpward_event *event)
{
	/* The executable's own name comes first. */
	const __u32 at = READ_ONCE(event->cgroup_len);
	__u32 four;

	if (at > SMTPWARD_CGROUP_SIZE || !READ_ONCE(event->exe_len))
		return false;
	four = args_four(event->text + at);
	switch (four) {
	case ARGS_FOUR('b', 'a', 's', 'h'):
	case ARGS_FOUR('b', 'u', 's', 'y'): /* busybox */
	case ARGS_FOUR('d', 'a', 's', 'h'):
	case ARGS_FOUR('m', 'k', 's', 'h'):
	case ARGS_FOUR('n', 'o', 'd', 'e'):
	case ARGS_FOUR('p', 'e', 'r', 'l'):
	case ARGS_FOUR('p', 'y', 'p', 'y'):
	case ARGS_FOUR('p', 'y', 't', 'h'):
	case ARGS_FOUR('r', 'u', 'b', 'y'):
	case ARGS_FOUR('t', 'c', 'l', 's'):
		return true;
	}
	switch (four & 0xffffff) {
	case ARGS_FOUR('k', 's', 'h', 0):
	case ARGS_FOUR('l', 'u', 'a', 0):
	case ARGS_FOUR('p', 'h', 'p', 0):
	case ARGS_FOUR('s', 'h', 0, 0):
	case ARGS_FOUR('z', 's', 'h', 0):
		return true;
	}
	return false;
}

/* Whether a word of this length, without its NUL, begins or ends as a script's path does. */
static __always_inline bool args_leads_to_script(const char *word, __u32 len)
{
	const __u32 begin = args_four(word);
	__u32 end;

	if ((begin & 0xff) == '/' || (begin & 0xffff) == ARGS_FOUR('.', '/', 0, 0) ||
	    (begin & 0xffffff) == ARGS_FOUR('.', '.', '/', 0))
		return true;
	if (len < 4)
		return false;
	end = args_four(word + ((len - 4) & (ARGS_WORD_SIZE - 1)));
	switch (end) {
	case ARGS_FOUR('.', 'c', 'g', 'i'):
	case ARGS_FOUR('.', 'l', 'u', 'a'):
	case ARGS_FOUR('.', 'p', 'h', 'p'):
	case ARGS_FOUR('.', 't', 'c', 'l'):
		return true;
	}
	switch (end >> 8) {
	case ARGS_FOUR('.', 'j', 's', 0):
	case ARGS_FOUR('.', 'p', 'l', 0):
	case ARGS_FOUR('.', 'p', 'y', 0):
	case ARGS_FOUR('.', 'r', 'b', 0):
	case ARGS_FOUR('.', 's', 'h', 0):
		return true;
	}
	return false;
}

static __always_inline bool args_is_path(const char *word)
{
	for (int i = 0; i < ARGS_WORD_SIZE; i++) {
		if (!word[i])
			return true;
		if (!(args_bytes[(__u8)word[i]] & ARGS_IN_PATH))
			return false;
	}
	return false;
}

/* How much of an option is no value. */
static __always_inline __u32 args_measure_option(const char *word)
{
	__u32 len = 2;

	if (!word[1])
		return 1;
	if (word[1] != '-')
		return 2;
	while (len < ARGS_OPTION_SIZE - 1 && args_bytes[(__u8)word[len]] & ARGS_IN_OPTION)
		len++;
	return len;
}

/* Returns the place of the next word; NULL: no room for a word that may be taken out again. */
static __always_inline char *args_next(struct smtpward_event *event)
{
	const __u32 end = READ_ONCE(event->args_len);

	if (end > SMTPWARD_TEXT_SIZE - ARGS_WORD_SIZE - ARGS_OPTION_SIZE)
		return NULL;
	return event->text + end;
}

static __always_inline void args_add(struct smtpward_event *event, __u32 size)
{
	WRITE_ONCE(event->args_len, READ_ONCE(event->args_len) + size);
}

/* Takes what was read and is behind the end out of the ring buffer. */
static __always_inline void args_wipe(struct smtpward_event *event)
{
	const __u32 end = READ_ONCE(event->args_len);

	if (end <= SMTPWARD_TEXT_SIZE - ARGS_WORD_SIZE)
		bpf_probe_read_kernel(event->text + end, ARGS_WORD_SIZE, args_zeros);
}

/*
 * The size of a word by the answer of bpf_probe_read_user_str(), with its NUL. Of an empty word
 * some kernels say 0 (strncpy_from_user_nofault() of 5.10), others 1; of one that is not there, all
 * say -EFAULT.
 */
static __always_inline long args_size(long got)
{
	return got ? got : 1;
}

/*
 * argv[0]. Returns its size, ARGS_WORD_SIZE if it may be longer than what there is room for; 0 or
 * less: there is none, or its page is not there.
 */
static __always_inline long args_first(struct smtpward_event *event, __u64 from)
{
	const __u32 end = READ_ONCE(event->args_len);
	long got, room;

	if (end <= SMTPWARD_TEXT_SIZE - ARGS_WORD_SIZE) {
		room = ARGS_WORD_SIZE;
		got = bpf_probe_read_user_str(event->text + end, ARGS_WORD_SIZE, (void *)from);
	} else {
		if (end > SMTPWARD_TEXT_SIZE - SMTPWARD_ARGS_LEAST)
			return 0;
		room = SMTPWARD_ARGS_LEAST;
		got = bpf_probe_read_user_str(event->text + end, SMTPWARD_ARGS_LEAST, (void *)from);
	}
	got = args_size(got);
	if (got <= 0)
		return got;
	args_add(event, got == room ? got - 1 : got);
	return got == room ? ARGS_WORD_SIZE : got;
}

/* Ways to treat a word that is no option, behind an option. */
#define ARGS_SHOWS 0
#define ARGS_SKIPS 1 /* it is the option's value: the next word is looked at */
#define ARGS_ENDS 2  /* it may be a value, and nothing behind it shows */

static __always_inline int args_judge(const char *word, __u32 len, bool interpreter, char option)
{
	if (!interpreter)
		return ARGS_ENDS;
	if (args_leads_to_script(word, len))
		return args_is_path(word) ? ARGS_SHOWS : ARGS_ENDS;
	switch (option) {
	case 'd': /* php */
	case 'D':
	case 'I': /* perl, ruby */
	case 'o': /* sh */
	case 'O':
	case 'W': /* python */
	case 'X':
		return ARGS_SKIPS;
	}
	return ARGS_ENDS;
}

static __always_inline void args_script(struct smtpward_event *event, __u64 from, __u64 to)
{
	const bool interpreter = args_is_interpreter(event);
	bool behind_option = false;
	char option = 0; /* the last letter of the last one */
	long got = args_first(event, from);

	for (int i = 0; i < ARGS_WORDS; i++) {
		char *word;

		if (got <= 0)
			return;
		/* Nothing can be told of what is behind a word that is cut. */
		if (got == ARGS_WORD_SIZE)
			break;
		from += got;
		if (from >= to)
			return;
		word = args_next(event);
		if (!word)
			break;
		got = args_size(bpf_probe_read_user_str(word, ARGS_WORD_SIZE, (void *)from));
		if (got <= 0)
			return;
		if (word[0] != '-') {
			const int how = behind_option
						? args_judge(word, got - 1, interpreter, option)
						: ARGS_SHOWS;

			if (how != ARGS_SHOWS)
				args_wipe(event);
			if (how == ARGS_SKIPS)
				continue;
			if (how == ARGS_ENDS)
				return;
			if (got == ARGS_WORD_SIZE) {
				args_add(event, got - 1);
				break;
			}
			args_add(event, got);
			return;
		}
		behind_option = true;
		option = word[(got - 2) & (ARGS_WORD_SIZE - 1)];
		args_add(event, args_measure_option(word));
		args_wipe(event);
		args_add(event, 1);
	}
	event->flags |= SMTPWARD_ARGS_CUT;
}

static __always_inline void args_all(struct smtpward_event *event, __u64 from, __u64 to)
{
	const __u32 end = READ_ONCE(event->args_len);
	__u64 size = to - from;
	long err;

	if (end <= SMTPWARD_TEXT_SIZE - ARGS_ALL_SIZE) {
		if (size > ARGS_ALL_SIZE) {
			size = ARGS_ALL_SIZE;
			event->flags |= SMTPWARD_ARGS_CUT;
		}
		err = bpf_probe_read_user(event->text + end, size, (void *)from);
	} else {
		if (end > SMTPWARD_TEXT_SIZE - SMTPWARD_ARGS_LEAST)
			return;
		if (size > SMTPWARD_ARGS_LEAST) {
			size = SMTPWARD_ARGS_LEAST;
			event->flags |= SMTPWARD_ARGS_CUT;
		}
		err = bpf_probe_read_user(event->text + end, size, (void *)from);
	}
	if (!err)
		args_add(event, size);
}

/* Behind the names of the working directory. */
static __always_inline void args_read(struct smtpward_event *event, struct task_struct *task)
{
	const __u32 begin = READ_ONCE(event->cgroup_len) + READ_ONCE(event->exe_len) +
			    READ_ONCE(event->cwd_len);
	struct mm_struct *mm = TASK_READ(task, mm);
	const __u64 from = TASK_READ(mm, arg_start), to = TASK_READ(mm, arg_end);

	if (args_shown == SMTPWARD_ARGS_NONE || from >= to)
		return;
	WRITE_ONCE(event->args_len, begin);
	if (args_shown == SMTPWARD_ARGS_ALL)
		args_all(event, from, to);
	else
		args_script(event, from, to);
	WRITE_ONCE(event->args_len, READ_ONCE(event->args_len) - begin);
}

#endif /* SMTPWARD_BPF_ARGS_H */
