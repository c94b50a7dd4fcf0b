// SPDX-License-Identifier: GPL-2.0-only
/* A policy on trial; see trial.h. */
#include "pins/trial.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/boottime.h"
#include "pins/object.h"

#define SECOND_NS 1000000000ULL

void trial_judge(const struct smtpward_origin *origin, uint64_t word, struct trial *ret_trial)
{
	*ret_trial = (struct trial){ .phase = TRIAL_NONE };
	if (!(origin->flags & SMTPWARD_ORIGIN_TRIAL))
		return;
	ret_trial->kept = word & SMTPWARD_TRIAL_KEPT;
	ret_trial->ends_ns = origin->trial_ends_ns;
	ret_trial->fallback = origin->trial_fallback;
	if (ret_trial->kept)
		return;
	ret_trial->phase = word || boottime_now() >= origin->trial_ends_ns ? TRIAL_OVER
									   : TRIAL_RUNS;
}

int trial_read_mark(const struct pins *pins, uint64_t generation, __u64 *ret_word)
{
	bool marked = false;
	int r = pins_is_on_trial(pins, generation, &marked);

	if (r)
		return r;
	*ret_word = marked ? 0 : SMTPWARD_TRIAL_KEPT;
	return 0;
}

static int trial_read_word(const struct pins *pins, uint64_t generation, uint64_t *ret_word)
{
	struct smtpward_trial trial = { 0 };
	int r = object_read(pins, generation, "map_trial", &trial, sizeof(trial));

	if (r == -EACCES || r == -EPERM)
		r = trial_read_mark(pins, generation, &trial.word);
	if (r)
		return r;
	*ret_word = trial.word;
	return 0;
}

int trial_read(const struct pins *pins, uint64_t generation, struct trial *ret_trial)
{
	_cleanup_free_ struct smtpward_origin *origin = malloc(sizeof(*origin));
	uint64_t word = 0;
	int r;

	if (!origin)
		return -ENOMEM;
	*ret_trial = (struct trial){ .phase = TRIAL_NONE };
	r = object_read(pins, generation, "map_origin", origin, sizeof(*origin));
	/* The load was an older version's, or another program's. */
	if (r == -ENOENT || r == -EBADMSG)
		return 0;
	if (!r && origin->flags & SMTPWARD_ORIGIN_TRIAL)
		r = trial_read_word(pins, generation, &word);
	if (r)
		return r;
	trial_judge(origin, word, ret_trial);
	return 0;
}

uint64_t trial_seconds_left(const struct trial *trial)
{
	const uint64_t now = boottime_now();

	if (trial->phase != TRIAL_RUNS || now >= trial->ends_ns)
		return 0;
	return (trial->ends_ns - now + SECOND_NS - 1) / SECOND_NS;
}

/*
 * Does as a program does: a party that finds the trial over adds 1 to the word; the word's first
 * change counts.
 */
static bool trial_keep_word(uint64_t *word, uint64_t ends_ns)
{
	uint64_t expected = 0;

	if (boottime_now() >= ends_ns && !__atomic_load_n(word, __ATOMIC_SEQ_CST))
		__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
	return __atomic_compare_exchange_n(word, &expected, SMTPWARD_TRIAL_KEPT, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) ||
	       expected & SMTPWARD_TRIAL_KEPT;
}

int trial_keep(const struct pins *pins, uint64_t generation, uint64_t ends_ns, bool *ret_kept)
{
	const size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	_cleanup_close_ int fd = -1;
	struct smtpward_trial *trial;
	int r = object_open_map(pins, generation, "map_trial", OBJECT_WRITES, sizeof(*trial), &fd);

	if (r)
		return r;
	trial = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (trial == MAP_FAILED)
		return -errno;
	*ret_kept = trial_keep_word((uint64_t *)&trial->word, ends_ns);
	munmap(trial, page_size);
	return 0;
}
