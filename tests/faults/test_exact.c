// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exact accounting: two processes flood, the logger is killed by SIGKILL at random
 * moments and started again, the sink is missing, full, replaced. At the end lines +
 * suppressed + lost are the attempts that the attackers counted, to the last one, and each line
 * and sum has the name of its tenant. The tests together kill it over a hundred times.
 *
 * SMTPWARD_TEST_SECONDS is how long each flood goes on, SMTPWARD_TEST_KILLS how often
 * the logger is killed meanwhile.
 */
#include "fixture.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#define ATTACKERS TALLY_ATTACKERS

/* Longer than any flood; other children's lives are shorter. */
#define ATTACK_SECONDS 600

static int seconds(void)
{
	return fixture_number("SMTPWARD_TEST_SECONDS", 2);
}

static int kills(void)
{
	return fixture_number("SMTPWARD_TEST_KILLS", 15);
}

/* The attackers. */

struct attack {
	int burst;	/* attempts in a row */
	long pause_us;	/* after each burst */
	int users;	/* whom it is by turns; 0: root alone */
	uint16_t index; /* of the attacker */
};

static struct shared {
	bool stop;
	uint64_t attempts[ATTACKERS];
} * shared;

/* Until it is told to stop; counts after the call, so that none is counted that was not. */
static int attack(void *arg)
{
	const struct attack *attack = arg;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t n = 0;
	int user = 0;

	alarm(ATTACK_SECONDS);
	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		if (attack->users &&
		    (seteuid(0) || seteuid((uid_t)(100000 + user++ % attack->users))))
			return 1;
		for (int i = 0; i < attack->burst; i++) {
			struct sockaddr_in6 to = tally_address(attack->index, (uint32_t)n++);

			if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) || errno != EPERM)
				return 1;
		}
		if (attack->pause_us)
			usleep((useconds_t)attack->pause_us);
	}
	shared->attempts[attack->index] = n;
	return 0;
}

/* Where the lines go, and what happens there while the logger is killed. */

struct scene {
	const char *limit;
	struct attack attack;
	const char *to;
	void (*trouble)(struct scene *scene, int phase); /* 0 to PHASES - 1, then PHASES */
	int phase;
	int socket;   /* of syslog, or -1 */
	bool ignored; /* nobody reads from it */
	FILE *file;
	struct tally tally;
};

#define PHASES 8

/* Takes no more, then has all that it took: nothing goes to where nobody looks. */
static void syslog_retire(struct tally *tally, int *fd)
{
	assert_int_equal(shutdown(*fd, SHUT_RD), 0);
	tally_datagrams(tally, *fd);
	cleanup_close(fd);
	*fd = -1;
}

static void syslog_unbind(struct scene *scene)
{
	assert_int_equal(unlink(SYSLOG_SOCKET), 0);
	syslog_retire(&scene->tally, &scene->socket);
}

/* The new one is there first, as where a daemon takes over from another. */
static void syslog_replace(struct scene *scene)
{
	int old = scene->socket;

	assert_int_equal(unlink(SYSLOG_SOCKET), 0);
	scene->socket = syslog_bind();
	syslog_retire(&scene->tally, &old);
}

static void take_lines(struct scene *scene)
{
	static char *line;
	static size_t size;
	ssize_t len;

	/* The last one may have no end yet: its beginning is read again then. */
	clearerr(scene->file);
	while ((len = getline(&line, &size, scene->file)) > 0) {
		if (line[len - 1] != '\n') {
			assert_int_equal(fseek(scene->file, -len, SEEK_CUR), 0);
			return;
		}
		line[len - 1] = '\0';
		tally_line(&scene->tally, line);
	}
}

static void take(struct scene *scene)
{
	if (scene->file)
		take_lines(scene);
	else if (scene->socket >= 0 && !scene->ignored)
		tally_datagrams(&scene->tally, scene->socket);
}

static void idle(struct scene *scene, int64_t deadline)
{
	for (int64_t left; (left = deadline - clock_ms()) > 0;) {
		struct pollfd wait = { .fd = scene->ignored ? -1 : scene->socket,
				       .events = POLLIN };

		poll(&wait, 1, (int)left);
		if (!scene->file)
			take(scene);
	}
}

/* The logger. */

static pid_t start_logger(const struct scene *scene)
{
	pid_t pid = fork();

	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(null, STDERR_FILENO);
		execl(fixture.binary, "smtpward", "log", "--pins", fixture.pins, "--to", scene->to,
		      NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	child_register(pid);
	return pid;
}

static void kill_loggers(struct scene *scene)
{
	const int64_t begin = clock_ms(), length = 1000LL * seconds();

	for (int i = 0; i < kills(); i++) {
		const int64_t turn = begin + length * i / kills(), share = length / kills() + 1;
		int status;
		pid_t pid;

		for (; scene->trouble && scene->phase < PHASES * i / kills(); scene->phase++)
			scene->trouble(scene, scene->phase);
		pid = start_logger(scene);
		idle(scene, turn + random() % share);
		/* Every other time at its end, when it sums up. */
		if (i & 1)
			assert_int_equal(kill(pid, SIGTERM), 0);
		usleep((useconds_t)(random() % 4000));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(child_reap(pid, clock_ms() + FIXTURE_PATIENCE, &status), 0);
		idle(scene, turn + share);
	}
	for (; scene->trouble && scene->phase <= PHASES; scene->phase++)
		scene->trouble(scene, scene->phase);
}

/* Loggers that end in order, until one finds nothing more to say. */
static void read_the_rest(struct scene *scene)
{
	const char *argv[] = { "smtpward", "log", "--pins", fixture.pins, "--to", scene->to, NULL };
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	uint64_t before;

	do {
		_cleanup_(log_close) struct log log;
		uint64_t lines;

		assert_true(clock_ms() < deadline);
		take(scene);
		before = tally_sum(&scene->tally);
		log_start_run(&log, argv, NULL);
		do {
			lines = scene->tally.lines;
			idle(scene, clock_ms() + 300);
			take(scene);
		} while (scene->tally.lines != lines);
		log_end(&log, SIGTERM);
		take(scene);
	} while (tally_sum(&scene->tally) != before);
}

static void assert_exact(const struct tally *tally, uint64_t attempts)
{
	const uint64_t recorded = status_counter("recorded"),
		       suppressed = status_counter("suppressed"), lost = status_counter("lost");

	print_message("# %lu attempts, %d kills: %lu lines (%lu twice), %lu suppressed, %lu lost; "
		      "by the kernel %lu, %lu, %lu\n",
		      attempts, kills(), tally->lines, tally->twice, tally->suppressed, tally->lost,
		      recorded, suppressed, lost);
	assert_int_equal(status_counter("denied"), attempts);
	assert_int_equal(recorded + suppressed + lost, attempts);
	assert_int_equal(tally->twice, 0);
	assert_int_equal(tally_sum(tally), attempts);
	assert_int_equal(tally->lines, recorded);
	assert_int_equal(tally->suppressed, suppressed);
	assert_int_equal(tally->lost, lost);
}

static void flood_and_kill(struct scene *scene)
{
	struct child_handle attackers[ATTACKERS];
	struct attack attacks[ATTACKERS];
	uint64_t attempts = 0;
	char name[16];

	memset(shared, 0, sizeof(*shared));
	tally_init(&scene->tally);
	policy_load("%s\n", scene->limit);
	for (uint16_t i = 0; i < ATTACKERS; i++) {
		snprintf(name, sizeof(name), "flood%d.service", i);
		cgroup_make(name);
		attacks[i] = scene->attack;
		attacks[i].index = i;
		attackers[i] = child_start(CHILD_IN(name), attack, &attacks[i]);
	}
	kill_loggers(scene);
	__atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < ATTACKERS; i++) {
		assert_int_equal(child_wait(&attackers[i]), 0);
		attempts += shared->attempts[i];
	}
	read_the_rest(scene);
	assert_exact(&scene->tally, attempts);
	for (int i = 0; i < ATTACKERS; i++) {
		snprintf(name, sizeof(name), "flood%d.service", i);
		assert_int_equal(tally_of_unit(&scene->tally, name), shared->attempts[i]);
	}
	tally_free(&scene->tally);
}

/* At full speed: as many lines as the logger gets done, or next to nothing but summaries. */
static const struct scene many_lines = {
	.limit = "limit 2000/s burst 4000",
	.attack = { .burst = 100 },
};
static const struct scene summaries = {
	.limit = "limit 1/s burst 2",
	.attack = { .burst = 100, .users = 200 },
};
/* Each has a line as long as a logger is there. */
static const struct scene only_lines = {
	.limit = "limit 1000000/s burst 1000000",
	.attack = { .burst = 10, .pause_us = 10000 },
};

static void with_file(struct scene scene, const char *dir)
{
	_cleanup_close_ int fd = -1;
	char path[128];

	snprintf(path, sizeof(path), "%s/lines", dir);
	unlink(path);
	fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	scene.file = fdopen(TAKE_FD(fd), "r");
	assert_non_null(scene.file);
	scene.to = path;
	scene.socket = -1;
	flood_and_kill(&scene);
	fclose(scene.file);
}

static void with_syslog(struct scene scene)
{
	scene.to = "syslog";
	scene.socket = syslog_bind();
	flood_and_kill(&scene);
	syslog_unbind(&scene);
}

static void test_file(void **state)
{
	with_file(many_lines, fixture.dir);
}

static void test_file_lines(void **state)
{
	with_file(only_lines, fixture.dir);
}

static void test_file_summaries(void **state)
{
	with_file(summaries, fixture.dir);
}

static void test_syslog(void **state)
{
	with_syslog(many_lines);
}

/* Missing, there again, full, read again, replaced. */
static void syslog_trouble(struct scene *scene, int phase)
{
	switch (phase) {
	case 1:
		syslog_unbind(scene);
		break;
	case 2:
		scene->socket = syslog_bind();
		break;
	case 3:
		scene->ignored = true;
		break;
	case 5:
		scene->ignored = false;
		break;
	case 6:
		syslog_replace(scene);
		break;
	default:
		break;
	}
}

static void test_syslog_trouble(void **state)
{
	struct scene scene = many_lines;

	scene.trouble = syslog_trouble;
	with_syslog(scene);
}

static void test_syslog_trouble_summaries(void **state)
{
	struct scene scene = summaries;

	scene.trouble = syslog_trouble;
	with_syslog(scene);
}

/* Room for a few lines more, or for as many as come. */
static void set_room(const char *dir, bool plenty)
{
	const unsigned long few = 128 << 10;
	char options[64] = "size=50%";
	struct statfs fs;

	assert_int_equal(statfs(dir, &fs), 0);
	if (!plenty)
		snprintf(options, sizeof(options), "size=%lu",
			 (fs.f_blocks - fs.f_bfree) * (unsigned long)fs.f_bsize + few);
	assert_int_equal(mount(NULL, dir, NULL, MS_REMOUNT, options), 0);
}

static void disk_path(char *dst, size_t size)
{
	snprintf(dst, size, "%s/disk", fixture.dir);
}

static void disk_trouble(struct scene *scene, int phase)
{
	char dir[80];

	disk_path(dir, sizeof(dir));
	if (phase == 2 || phase == 5)
		set_room(dir, phase == 5);
}

static void test_full_disk(void **state)
{
	struct scene scene = many_lines;
	char dir[80];

	disk_path(dir, sizeof(dir));
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(mount("tmpfs", dir, "tmpfs", 0, "mode=700,size=50%"), 0);
	scene.trouble = disk_trouble;
	with_file(scene, dir);
	assert_int_equal(umount(dir), 0);
	assert_int_equal(rmdir(dir), 0);
}

static int setup(void **state)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	srandom((unsigned int)clock_ms());
	fixture_setup(state);
	syslog_make_dev();
	return 0;
}

static int tidy(void **state)
{
	unlink(SYSLOG_SOCKET);
	return fixture_tidy(state);
}

#define TEST(name) cmocka_unit_test_teardown(name, tidy)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		TEST(test_file),	   TEST(test_file_lines),
		TEST(test_file_summaries), TEST(test_syslog),
		TEST(test_syslog_trouble), TEST(test_syslog_trouble_summaries),
		TEST(test_full_disk),
	};

	return cmocka_run_group_tests_name("exact", all, setup, fixture_teardown);
}

int main(void)
{
	char deadline[16];

	snprintf(deadline, sizeof(deadline), "%d", 300 + 12 * seconds());
	setenv("SMTPWARD_TEST_DEADLINE", deadline, 0);
	return fixture_main(tests);
}
