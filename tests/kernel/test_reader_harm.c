// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reader that is not root, taken over: with all that its group may open it can lose,
 * forge or delay lines until the next load, and do nothing else. What it does here, it does
 * as that user.
 */
#include "fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <bpf/bpf.h>

static void file_path(char *dst, size_t size, const char *name)
{
	snprintf(dst, size, "%s/%s", fixture.dir, name);
}

/* What is recorded and what comes of it. */

#define ATTEMPTS 40
#define LIMIT "limit 1/h burst 10\n"

static struct tally tally;
static uint64_t attempts_made;

static int make_attempts(void *arg)
{
	const uint32_t from = *(uint32_t *)arg;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	for (uint32_t i = from; i < from + ATTEMPTS; i++) {
		struct sockaddr_in6 to = tally_address(0, i);

		if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) || errno != EPERM)
			return 1;
	}
	return 0;
}

static void attempt_many(const char *cgroup)
{
	uint32_t from = (uint32_t)attempts_made;

	assert_int_equal(child_run(CHILD_IN(cgroup), make_attempts, &from), 0);
	attempts_made += ATTEMPTS;
}

/* The lines among a command's messages. */
static void take_lines(const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n")))
		if (strstr(line, " smtpward["))
			tally_line(&tally, line);
}

static const char *const log_argv[] = { "smtpward", "log",    "--pins", fixture.pins,
					"--to",	    "stderr", NULL };

/* A log of root's, or of the reader's, that says all that there is. */
static void log_all(child_fn become)
{
	_cleanup_(log_close) struct log log = { 0 };

	log_start_run(&log, log_argv, become);
	log_end(&log, SIGTERM);
	if (strstr(log.text, "cannot log"))
		fail_msg("%s", log.text);
	take_lines(log.text);
}

static void load_reader(void)
{
	if (smtpward("load", "-c", policy_write(LIMIT), "--cgroup", fixture.attached, "--pins",
		     fixture.pins, "--reader", READER, NULL))
		fail_msg("load: status %d: %s", run.status, run.err);
}

static void begin(void)
{
	attempts_made = 0;
	tally_init(&tally);
	cgroup_make("a.service");
	cgroup_make("b.service");
	load_reader();
	attempt_many("a.service");
}

static void end_exact(void)
{
	assert_int_equal(tally.twice, 0);
	assert_int_equal(tally_sum(&tally), attempts_made);
	tally_free(&tally);
}

/* The note. */

struct forgery {
	const char *pin;
	struct smtpward_note note;
};

static int open_as_reader(const char *name, int *ret_fd)
{
	char path[160];
	int r = reader_become(NULL);

	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/policy/%s", fixture.pins, name);
	*ret_fd = bpf_obj_get(path);
	return *ret_fd < 0 ? -errno : 0;
}

static int forge(void *arg)
{
	const struct forgery *forgery = arg;
	const uint32_t zero = 0;
	int fd;
	int r = open_as_reader(forgery->pin, &fd);

	return r ?: bpf_map_update_elem(fd, &zero, &forgery->note, BPF_ANY);
}

static off_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* Root's file of evidence: what the reader says of it is not believed. */
static void test_forged_note(void **state)
{
	char path[128];
	const char *argv[] = { "smtpward", "log", "--pins", fixture.pins, "--to", path, NULL };
	struct forgery forgery = { .pin = "map_note", .note.kind = SMTPWARD_NOTE_RECORD };
	struct stat st;

	begin();
	file_path(path, sizeof(path), "evidence");
	for (int round = 0; round < 2; round++) {
		_cleanup_(log_close) struct log log = { 0 };

		log_start_run(&log, argv, NULL);
		log_end(&log, SIGTERM);
		assert_int_equal(stat(path, &st), 0);
		assert_true(st.st_size > 1000);
		if (round)
			break;
		forgery.note.receipt = (struct smtpward_receipt){
			.kind = SMTPWARD_RECEIPT_FILE,
			.device = st.st_dev,
			.inode = st.st_ino,
			.offset = 0,
			.length = 1ULL << 40,
		};
		assert_int_equal(child_run(CHILD(0), forge, &forgery), 0);
		/* One that says that the record is out: it is not left out for that. */
		attempt_many("b.service");
	}
	assert_true(size_of(path) > 2000);
	{
		_cleanup_fclose_ FILE *file = fopen(path, "re");
		static char text[65536];

		assert_non_null(file);
		assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
		take_lines(text);
	}
	assert_int_equal(unlink(path), 0);
	forgery.pin = "map_note_root";
	assert_int_equal(child_run(CHILD(0), forge, &forgery), -EACCES);
	end_exact();
}

/* What root's log left at its death says nothing any more once the reader's went on. */
static void test_old_note(void **state)
{
	_cleanup_close_ int note_fd = -1, reported_fd = -1;
	struct smtpward_note note = { .kind = SMTPWARD_NOTE_SUMMARY };
	struct sink_message_out {
		uint64_t words[8];
	} out;
	const uint32_t zero = 0;

	begin();
	log_all(reader_become);
	note_fd = bpf_pin_open("policy/map_note_root");
	reported_fd = bpf_pin_open("policy/map_reported");
	assert_int_equal(bpf_map_get_next_key(reported_fd, NULL, &note.key), 0);
	assert_int_equal(bpf_map_lookup_elem(reported_fd, &note.key, &note.reported), 0);
	note.reported.suppressed -= 7;
	/* Whatever a struct mmsghdr has in it: the kernel wrote a length. */
	memset(&out, 0xff, sizeof(out));
	note.receipt.kind = SMTPWARD_RECEIPT_MESSAGE;
	memcpy(note.receipt.message, &out, sizeof(out));
	assert_int_equal(bpf_map_update_elem(note_fd, &zero, &note, BPF_ANY), 0);
	log_all(NULL);
	log_all(reader_become);
	attempt_many("a.service");
	log_all(NULL);
	log_all(reader_become);
	end_exact();
}

/* What it can spoil, a load puts right. */

static int freeze(void *arg)
{
	union bpf_attr attr = { 0 };
	int fd;
	int r = open_as_reader(arg, &fd);

	if (r)
		return r;
	attr.map_fd = (uint32_t)fd;
	return syscall(SYS_bpf, BPF_MAP_FREEZE, &attr, sizeof(attr)) ? -errno : 0;
}

/* The log of who becomes that ends, by what it meets, and says what helps. */
static void assert_log_dies(child_fn become, const char *pin, const char *words)
{
	char needle[256];

	assert_int_equal(smtpward_child(log_argv, become, NULL), 1);
	snprintf(needle, sizeof(needle), "/%s", pin);
	if (!strstr(run.err, needle) || !strstr(run.err, words) ||
	    !strstr(run.err, "'smtpward load' begins a new one"))
		fail_msg("no '%s', '%s' in: %s", needle, words, run.err);
	take_lines(run.err);
}

static void assert_load_puts_right(const char *words)
{
	char path[160];

	load_reader();
	if (!strstr(run.err, words) || !strstr(run.err, "a new buffer and new counts have begun"))
		fail_msg("load: no '%s' in: %s", words, run.err);
	take_lines(run.err);
	snprintf(path, sizeof(path), "%s/generation-1", fixture.pins);
	assert_int_equal(access(path, F_OK), -1);
	attempt_many("a.service");
	log_all(reader_become);
	attempt_many("b.service");
	log_all(NULL);
	load_reader();
	assert_null(strstr(run.err, words));
}

static void frozen(const char *pin)
{
	begin();
	assert_int_equal(child_run(CHILD(0), freeze, (void *)pin), 0);
	assert_log_dies(reader_become, pin, "is frozen");
	assert_load_puts_right("is frozen");
	end_exact();
}

static void test_frozen_events(void **state)
{
	frozen("map_events");
}

static void test_frozen_callers(void **state)
{
	frozen("map_callers");
}

static void test_frozen_tenants(void **state)
{
	frozen("map_tenants");
}

static void test_frozen_reported(void **state)
{
	frozen("map_reported");
}

static void test_frozen_note(void **state)
{
	frozen("map_note");
}

/* The load of the service reads no file where all is well: this is not. */
static void test_frozen_and_boot(void **state)
{
	const char *argv[] = { "smtpward",   "load",	 "--boot",	   "-c",
			       NULL,	     "--cgroup", fixture.attached, "--pins",
			       fixture.pins, "--reader", READER,	   NULL };

	begin();
	assert_int_equal(child_run(CHILD(0), freeze, "map_reported"), 0);
	argv[4] = policy_write(LIMIT);
	assert_int_equal(smtpward_child(argv, NULL, NULL), 0);
	if (!strstr(run.err, "a new buffer and new counts have begun"))
		fail_msg("load --boot: %s", run.err);
	take_lines(run.err);
	assert_int_equal(smtpward_child(argv, NULL, NULL), 0);
	assert_null(strstr(run.err, "a new buffer"));
	attempt_many("b.service");
	log_all(reader_become);
	end_exact();
}

/* Under a log that runs. */
static void test_frozen_meanwhile(void **state)
{
	_cleanup_(log_close) struct log log = { 0 };

	begin();
	log_start_run(&log, log_argv, reader_become);
	log_line(&log, " verdict=deny ", 9);
	assert_int_equal(child_run(CHILD(0), freeze, "map_reported"), 0);
	/* With its first sums, which come to no end. */
	assert_int_equal(log_wait_exit(&log), 1);
	assert_non_null(strstr(log.text, "map_reported is frozen"));
	take_lines(log.text);
	/* A sum that could not be noted is the load's to write. */
	assert_int_equal(tally_sum(&tally), 10);
	load_reader();
	take_lines(run.err);
	end_exact();
}

/* Behind a load that began a new buffer, who wants to read on has to start anew. */
static void test_frozen_and_replaced(void **state)
{
	_cleanup_(log_close) struct log log = { 0 };

	begin();
	log_start_run(&log, log_argv, NULL);
	log_line(&log, " verdict=deny ", 9);
	assert_int_equal(child_run(CHILD(0), freeze, "map_callers"), 0);
	load_reader();
	take_lines(run.err);
	assert_int_equal(log_wait_exit(&log), 1);
	assert_non_null(strstr(log.text, "the log ends, start it again"));
	take_lines(log.text);
	end_exact();
}

struct shift {
	bool past;    /* the producer; otherwise from where it is */
	long amount;  /* bytes */
	bool settled; /* once a log has taken out all that there is */
};

static int shift_position(void *arg)
{
	const struct shift *shift = arg;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned long *consumer, *producer;
	int fd;
	int r = open_as_reader("map_events", &fd);

	if (r)
		return r;
	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (consumer == MAP_FAILED || producer == MAP_FAILED)
		return -errno;
	while (shift->settled && __atomic_load_n(consumer, __ATOMIC_RELAXED) != *producer)
		sched_yield();
	*consumer = (shift->past ? *producer : *consumer) + (unsigned long)shift->amount;
	return 0;
}

/* The records cannot be told then: an alert says so, and the sums come. */
static void test_position(void **state)
{
	static const struct shift shifts[] = {
		{ .past = true, .amount = 1920 },
		{ .past = true, .amount = 1L << 40 },
		{ .amount = -1920 },
		{ .amount = 8 },
		{ .amount = 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
		struct shift shift = shifts[i];

		begin();
		assert_int_equal(child_run(CHILD(0), shift_position, &shift), 0);
		assert_log_dies(reader_become, "map_events", "moved the reader's position");
		assert_log_dies(NULL, "map_events", "moved the reader's position");
		load_reader();
		assert_non_null(strstr(run.err, "moved the reader's position in"));
		assert_non_null(strstr(run.err, "alert=\"the records from before the load"));
		/* All that had no record; the ten that had are what the alert is about. */
		take_lines(run.err);
		assert_int_equal(tally_sum(&tally), ATTEMPTS - 10);
		attempt_many("b.service");
		log_all(reader_become);
		assert_int_equal(tally_sum(&tally), 2 * ATTEMPTS - 10);
		tally_free(&tally);
		policy_unload();
		cgroup_remove("");
	}
}

/* Under a log that runs: it does not go on in silence. */
static void test_position_meanwhile(void **state)
{
	struct shift shift = { true, 1L << 40, true };
	_cleanup_(log_close) struct log log = { 0 };

	begin();
	log_start_run(&log, log_argv, NULL);
	log_line(&log, " verdict=deny ", 9);
	assert_int_equal(child_run(CHILD(0), shift_position, &shift), 0);
	assert_int_equal(log_wait_exit(&log), 1);
	assert_non_null(strstr(log.text, "moved the reader's position"));
	load_reader();
	attempt_many("b.service");
	log_all(NULL);
	tally_free(&tally);
}

/* Entries that are about nobody. */
static int fill_reported(void *arg)
{
	const struct smtpward_reported reported = { .born_ns = 1 };
	struct smtpward_caller_key key = { .cgroup_id = 1ULL << 60 };
	int fd;
	int r = open_as_reader("map_reported", &fd);

	while (!r) {
		key.euid++;
		r = bpf_map_update_elem(fd, &key, &reported, BPF_ANY);
	}
	return r;
}

static void test_full_reported(void **state)
{
	begin();
	assert_int_equal(child_run(CHILD(0), fill_reported, NULL), -E2BIG);
	log_all(reader_become);
	assert_int_equal(child_run(CHILD(0), fill_reported, NULL), -E2BIG);
	attempt_many("b.service");
	log_all(NULL);
	end_exact();
}

/* All allowances are used up for ever. */
static int use_up(void *arg)
{
	struct smtpward_caller_counts counts;
	struct smtpward_caller_key key;
	int fd;
	int r = open_as_reader("map_callers", &fd);

	if (r || bpf_map_get_next_key(fd, NULL, &key))
		return r ?: -errno;
	do {
		r = bpf_map_lookup_elem(fd, &key, &counts);
		counts.next_ns = UINT64_MAX;
		r = r ?: bpf_map_update_elem(fd, &key, &counts, BPF_EXIST);
	} while (!r && !bpf_map_get_next_key(fd, &key, &key));
	return r;
}

static void test_used_up(void **state)
{
	uint64_t recorded;

	begin();
	recorded = status_counter("recorded");
	assert_int_equal(child_run(CHILD(0), use_up, NULL), 0);
	attempt_many("a.service");
	assert_true(status_counter("recorded") > recorded);
	log_all(NULL);
	end_exact();
}

/* No syslog: what a load writes comes with its messages. */
static int setup(void **state)
{
	fixture_setup(state);
	syslog_make_dev();
	return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_forged_note),
		TEST(test_old_note),
		TEST(test_frozen_events),
		TEST(test_frozen_callers),
		TEST(test_frozen_tenants),
		TEST(test_frozen_reported),
		TEST(test_frozen_note),
		TEST(test_frozen_and_boot),
		TEST(test_frozen_meanwhile),
		TEST(test_frozen_and_replaced),
		TEST(test_position),
		TEST(test_position_meanwhile),
		TEST(test_full_reported),
		TEST(test_used_up),
	};

	return cmocka_run_group_tests_name("reader's harm", tests, setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
