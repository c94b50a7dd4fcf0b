// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nobody hides in the log of another: while tenants on every CPU make cgroups, user ids,
 * processes and attempts without end, each attempt of one that is within its own limit has its
 * line, in a file, and at a syslog daemon that takes 5,000 lines a second.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define USER 1234
#define SLICE "user.slice/user-1234.slice"
#define MANAGER SLICE "/user@1234.service"
#define CONTAINER "docker/1"
#define OF_USERS "lxc.payload.web"

/* As newuidmap(1) maps it for a container without rights. */
#define SUBUID 100000
#define SUBUIDS 65536

#define SINK_PER_SECOND 5000
#define TICK_MS 10

/* Attempts in each cgroup that is made. */
#define IN_EACH 100

enum kind {
	SESSION,    /* a user without rights, in what is delegated */
	PRIVILEGED, /* a container's root */
	OF_USER_NS, /* the same in a user namespace of its own */
};

struct hostile {
	const char *below;
	enum kind kind;
	int cpu;
};

/* Shared with the children. */
static bool *stop;

static void stay_on(int cpu)
{
	cpu_set_t cpus = { 0 };

	/* One that is not there: then anywhere. */
	CPU_SET((size_t)cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static int become_user(void)
{
	return setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER);
}

static int write_map(pid_t pid, const char *name)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	file = fopen(path, "we");
	return !file || fprintf(file, "0 %d %d\n", SUBUID, SUBUIDS) < 0 || fflush(file);
}

/* Root of a user namespace; a child that stays outside maps its users. */
static int become_root_of_users(void)
{
	const pid_t self = getpid();
	int go[2], status = -1;
	char byte = 0;
	pid_t pid;

	if (pipe2(go, O_CLOEXEC))
		return __LINE__;
	pid = fork();
	if (!pid)
		_exit(read(go[0], &byte, 1) != 1 || write_map(self, "uid_map") ||
		      write_map(self, "gid_map"));
	if (pid < 0 || unshare(CLONE_NEWUSER) || write(go[1], &byte, 1) != 1 ||
	    waitpid(pid, &status, 0) != pid || status)
		return __LINE__;
	return setresgid(0, 0, 0) || setresuid(0, 0, 0) ? __LINE__ : 0;
}

static int become(enum kind kind)
{
	switch (kind) {
	case SESSION:
		return become_user();
	case OF_USER_NS:
		return become_root_of_users();
	case PRIVILEGED:
		break;
	}
	return 0;
}

/* Each attempt as another user, as far as there are any. */
static int hammer(const struct hostile *hostile, int fd, unsigned int id)
{
	const uid_t first = hostile->kind == OF_USER_NS ? 1 : SUBUID;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(25) };

	to.sin_addr.s_addr = inet_addr(NET_OUTSIDE4);
	for (unsigned int i = 0; i < IN_EACH; i++) {
		if (hostile->kind != SESSION &&
		    (seteuid(0) || seteuid(first + (id + i) % (SUBUIDS - 1))))
			return __LINE__;
		if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) || errno != EPERM)
			return __LINE__;
	}
	return 0;
}

/* Every other time as a process of its own. */
static int hammer_apart(const struct hostile *hostile, int fd, unsigned int id)
{
	int status = -1;
	pid_t pid;

	if (id / IN_EACH % 2)
		return hammer(hostile, fd, id) || (hostile->kind != SESSION && seteuid(0));
	pid = fork();
	if (!pid)
		_exit(hammer(hostile, fd, id) != 0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return __LINE__;
	return status ? __LINE__ : 0;
}

/* A new cgroup for each burst, now beside the last one and now in it. */
static int attack(void *arg)
{
	const struct hostile *hostile = arg;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int dir = cgroup_open(hostile->below, false);

	stay_on(hostile->cpu);
	if (dir < 0 || fd < 0 || become(hostile->kind))
		return __LINE__;
	for (unsigned int i = 0; !__atomic_load_n(stop, __ATOMIC_RELAXED); i++) {
		char name[16];
		int below, r;

		snprintf(name, sizeof(name), "c%u", i);
		if (mkdirat(dir, name, 0755))
			return __LINE__;
		below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below < 0 || cgroup_enter_fd(below))
			return __LINE__;
		r = hammer_apart(hostile, fd, i * IN_EACH);
		if (r)
			return r;
		close(i % 16 ? below : dir);
		if (!(i % 16))
			dir = below;
	}
	return 0;
}

struct victim {
	uint32_t n;
	long pause_ns; /* after each */
};

static int try_honestly(void *arg)
{
	const struct victim *victim = arg;
	const struct timespec pause = { .tv_nsec = victim->pause_ns };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	for (uint32_t i = 0; i < victim->n; i++) {
		struct sockaddr_in6 to = tally_address(0, i);

		if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) || errno != EPERM)
			return __LINE__;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static bool has_ended(const struct child_handle *handle)
{
	struct pollfd poll_fd = { .fd = handle->fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

/* Where the log writes to: a syslog daemon, or a file. */
struct place {
	int syslog_fd;
	FILE *file;
};

#define TEXT_SIZE 32768

/* False if there is no whole line yet. */
static bool next_line(const struct place *place, char text[TEXT_SIZE])
{
	ssize_t len;
	long at;

	if (!place->file) {
		len = recv(place->syslog_fd, text, TEXT_SIZE - 1, 0);
		text[len > 0 ? len : 0] = '\0';
		return len > 0;
	}
	at = ftell(place->file);
	clearerr(place->file);
	if (!fgets(text, TEXT_SIZE, place->file))
		return false;
	if (!strchr(text, '\n')) {
		assert_int_equal(fseek(place->file, at, SEEK_SET), 0);
		return false;
	}
	text[strcspn(text, "\n")] = '\0';
	return true;
}

/*
 * The lines of one tick, until its end: a syslog socket holds 10 where net.unix.max_dgram_qlen says
 * so, and the log writes more as they are taken. Returns how many were of the victim.
 */
static unsigned int take_lines(const struct place *place, struct tally *tally, int64_t end)
{
	static char text[TEXT_SIZE];
	unsigned int own = 0;

	for (int i = 0; i < SINK_PER_SECOND * TICK_MS / 1000; i++) {
		while (!next_line(place, text))
			if (!pause_until(end))
				return own;
		own += strstr(text, " dst=2001:db8:") != NULL;
		if (strstr(text, " cgroup=\"\""))
			fail_msg("a sum that names nobody: %s", text);
		tally_line(tally, text);
	}
	return own;
}

static void give(const char *path, uid_t user)
{
	static const char *const files[] = { ".", "cgroup.procs" };
	_cleanup_close_ int fd = cgroup_open(path, false);

	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		assert_int_equal(fchownat(fd, files[i], user, user, 0), 0);
}

static void make_cgroups(void)
{
	cgroup_make("victim.service");
	cgroup_make(MANAGER "/init.scope");
	give(MANAGER, USER);
	give(MANAGER "/init.scope", USER);
	cgroup_make(CONTAINER);
	cgroup_make(OF_USERS);
	give(OF_USERS, SUBUID);
}

static void assert_all_seen(const struct tally *tally, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!(tally->seen[0][i / 8] >> i % 8 & 1))
			fail_msg("attempt %u of the victim has no line", (unsigned int)i);
	assert_int_equal(tally->twice, 0);
}

static void make_place(const char *to, struct place *place)
{
	*place = (struct place){ .syslog_fd = -1 };
	unlink(to);
	if (!strcmp(to, SYSLOG_SOCKET)) {
		place->syslog_fd = syslog_bind();
		return;
	}
	place->file = fopen(to, "w+e");
	assert_non_null(place->file);
	assert_int_equal(fchmod(fileno(place->file), 0600), 0);
}

static void remove_place(const char *to, struct place *place)
{
	if (place->file)
		fclose(place->file);
	else
		close(place->syslog_fd);
	unlink(to);
}

/* A sink that had no CPU for so long takes no 5,000 lines a second. */
#define LATE_MS 300

/* Until the lines of what is in the buffer are out: at 5,000 a second it takes one second. */
#define REST_MS (10000 * fixture_slow())

/*
 * per_second, burst: of the limit, for one user. False: the sink was late, and the victim lacks
 * lines. Of what a slower sink gets nothing is promised.
 */
static bool is_fair(const char *to, unsigned int per_second, unsigned int burst,
		    struct victim victim)
{
	const char *argv[] = { "smtpward",   "log",  "--pins",
			       fixture.pins, "--to", strcmp(to, SYSLOG_SOCKET) ? to : "syslog",
			       NULL };
	struct hostile hostiles[] = {
		{ MANAGER "/init.scope", SESSION, 0 },
		{ CONTAINER, PRIVILEGED, 1 },
		{ OF_USERS, OF_USER_NS, 0 },
	};
	struct child_handle handles[ARRAY_SIZE(hostiles)], honest;
	_cleanup_(log_close) struct log log;
	struct place place;
	int64_t began, seconds, ended = 0, late = 0;
	static struct tally tally;
	unsigned int own = 0;

	make_place(to, &place);
	policy_load("limit %u/s burst %u\n", per_second, burst);
	make_cgroups();
	tally_init(&tally);
	*stop = false;
	log_start_run(&log, argv, NULL);
	began = clock_ms();
	for (size_t i = 0; i < ARRAY_SIZE(hostiles); i++)
		handles[i] = child_start(CHILD_IN(hostiles[i].below), attack, &hostiles[i]);
	honest = child_start(CHILD_IN("victim.service"), try_honestly, &victim);
	while (own < victim.n || !ended) {
		const int64_t end = clock_ms() + TICK_MS;

		own += take_lines(&place, &tally, end);
		if (!ended && has_ended(&honest))
			ended = clock_ms();
		if (ended && clock_ms() - ended > REST_MS)
			break;
		if (clock_ms() - began > FIXTURE_PATIENCE)
			fail_msg("the victim comes to no end");
		while (pause_until(end))
			;
		if (clock_ms() - end > late)
			late = clock_ms() - end;
	}
	seconds = (clock_ms() - began) / 1000 + 1;
	*stop = true;
	for (size_t i = 0; i < ARRAY_SIZE(hostiles); i++)
		assert_int_equal(child_wait(&handles[i]), 0);
	assert_int_equal(child_wait(&honest), 0);
	if (own < victim.n && late <= LATE_MS)
		fail_msg("%u of the victim's %u attempts have a line, and the sink was %d ms late "
			 "at most",
			 own, (unsigned int)victim.n, (int)late);
	if (own == victim.n)
		assert_all_seen(&tally, victim.n);
	/* Each as one tenant, and a line too many for each that two CPUs let through at once. */
	assert_in_range(tally.lines - own, 1,
			ARRAY_SIZE(hostiles) * SMTPWARD_TENANT_TIMES *
					(burst + per_second * (uint64_t)seconds) +
				100);
	kill(log.pid, SIGTERM);
	while (!waitpid(log.pid, NULL, WNOHANG))
		take_lines(&place, &tally, clock_ms() + TICK_MS);
	child_forget(log.pid);
	tally_free(&tally);
	remove_place(to, &place);
	return own == victim.n;
}

static void assert_fair(const char *to, unsigned int per_second, unsigned int burst,
			struct victim victim)
{
	for (int tries = 5; !is_fair(to, per_second, burst, victim); tries--) {
		if (tries == 1)
			fail_msg("this machine has no time for a sink of 5,000 lines a second");
		fixture_tidy(NULL);
	}
}

static void test_shipped_limit_in_a_file(void **state)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/lines", fixture.dir);
	assert_fair(path, 10, 100, (struct victim){ .n = 100, .pause_ns = 20000000 });
}

static void test_shipped_limit(void **state)
{
	assert_fair(SYSLOG_SOCKET, 10, 100, (struct victim){ .n = 100, .pause_ns = 20000000 });
}

/* Fewer where all is slower: the attackers, the log and the sink share the same CPUs. */
static void test_wide_limit(void **state)
{
	const uint32_t n = 1200 / (uint32_t)fixture_slow();

	assert_fair(SYSLOG_SOCKET, 1000, 100, (struct victim){ .n = n, .pause_ns = 3000000 });
}

static int flood(void *arg)
{
	const unsigned int n = *(unsigned int *)arg;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(25) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = inet_addr(NET_OUTSIDE4);
	for (unsigned int i = 0; i < n; i++)
		if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) || errno != EPERM)
			return 1;
	return 0;
}

/* While nobody reads, who has nothing in the buffer finds room there, whoever filled it. */
static void test_room_in_the_buffer(void **state)
{
	uint64_t recorded, before = 0;
	unsigned int many = 10000, one = 1;
	char name[32];

	policy_load("limit 1000000/s burst 1000000\n");
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "hostile-%d.service", i);
		cgroup_make(name);
		assert_int_equal(child_run(CHILD_IN(name), flood, &many), 0);
		recorded = status_counter("recorded");
		assert_true(recorded > before);
		snprintf(name, sizeof(name), "victim-%d.service", i);
		cgroup_make(name);
		assert_int_equal(child_run(CHILD_IN(name), flood, &one), 0);
		before = status_counter("recorded");
		assert_int_equal(before, recorded + 1);
	}
}

static int setup(void **state)
{
	fixture_setup(state);
	syslog_make_dev();
	stop = mmap(NULL, sizeof(*stop), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(stop, MAP_FAILED);
	return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_shipped_limit_in_a_file),
		TEST(test_shipped_limit),
		TEST(test_wide_limit),
		TEST(test_room_in_the_buffer),
	};

	return cmocka_run_group_tests_name("fair", tests, setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
