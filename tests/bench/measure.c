// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process whose calls tests/bench/run measures. The script changes what is attached
 * and gives orders on stdin; each is answered by a line:
 *
 *	enter DIR UID		goes into this cgroup, as this user
 *	attach DIR VERDICT	a program that only returns that, by a link, to this cgroup
 *	detach			takes it off
 *	ring PIN | ring -	empty this ring buffer after each batch; or none
 *	try PORT		-> ERROR REACHED: a connect to a port with a listener
 *	time WORK BATCHES UNITS	-> NS INSTRUCTIONS BPF-NS ERROR, by unit, of a typical batch
 *	flood SECONDS DIR...	-> CALLS NS, from a process in each of these cgroups
 *	lines FILE N		-> MEDIAN P99.9 MAX, us from a connect to its line in the file
 *
 *	measure ADDRESS NETNS	the listeners' address, and its network namespace
 *
 * Anything that fails is said on stderr and ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "hooks.h"
#include "work.h"

#define FLOODERS_MAX 16
#define WORDS_MAX (FLOODERS_MAX + 2)
#define BATCHES_MAX 1000
#define LINES_MAX 100000
#define LINE_DEADLINE_MS 10000
#define LINE_PAUSE_NS 1000000

struct bench {
	struct place place;
	struct ring ring;
	int link;	/* of the program that only returns */
	cpu_set_t cpus; /* that this process was given; it is pinned to one of them */
};

static const char *name_of(int error)
{
	return error < 0 ? "mixed" : error ? strerrorname_np(error) : "none";
}

static int compare(const void *left, const void *right)
{
	const double a = *(const double *)left, b = *(const double *)right;

	return a < b ? -1 : a > b;
}

/* The lower quartile: what else the machine does adds to a batch, and never takes away. */
static double typical(double *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 4];
}

static int order_enter(struct bench *bench, int argc, char **argv)
{
	int err = place_enter(&bench->place, argv[1], (uid_t)atoi(argv[2]));

	if (!err)
		puts("entered");
	return err;
}

static int order_attach(struct bench *bench, int argc, char **argv)
{
	_cleanup_close_ int cgroup = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (cgroup < 0)
		return -errno;
	bench->link = hooks_attach_return(cgroup, atoi(argv[2]));
	if (bench->link < 0)
		return bench->link;
	puts("attached");
	return 0;
}

static int order_detach(struct bench *bench, int argc, char **argv)
{
	cleanup_close(&bench->link);
	bench->link = -1;
	puts("detached");
	return 0;
}

static int order_ring(struct bench *bench, int argc, char **argv)
{
	int err = 0;

	ring_close(&bench->ring);
	if (strcmp(argv[1], "-"))
		err = ring_open(&bench->ring, argv[1]);
	if (!err)
		puts("ring");
	return err;
}

static int order_try(struct bench *bench, int argc, char **argv)
{
	int reached, error = work_try(&bench->place, (uint16_t)atoi(argv[1]), &reached);

	printf("%s %s\n", name_of(error), reached ? "reached" : "unreached");
	return 0;
}

static void batch(struct bench *bench, const struct work *work, unsigned int units,
		  struct cost *ret_cost)
{
	work_batch(&bench->place, work, units, ret_cost);
	if (bench->ring.consumer)
		ring_empty(&bench->ring);
}

/* What the hooks' programs take, by the kernel's own clock: in a batch of its own. */
static int time_programs(struct bench *bench, const struct work *work, unsigned int units,
			 double *ret_ns)
{
	_cleanup_close_ int counting = hooks_count_time();
	uint64_t before;
	struct cost cost;

	if (counting < 0)
		return counting;
	before = hooks_run_ns(bench->place.cgroup);
	batch(bench, work, units, &cost);
	*ret_ns = (double)(hooks_run_ns(bench->place.cgroup) - before) / (units + 1);
	return 0;
}

static int order_time(struct bench *bench, int argc, char **argv)
{
	const struct work *work = work_find(argv[1]);
	const unsigned int batches = (unsigned int)atoi(argv[2]),
			   units = (unsigned int)atoi(argv[3]);
	double ns[BATCHES_MAX], instructions[BATCHES_MAX], bpf_ns = 0;
	int error = 0, err;

	if (!work || !batches || batches > BATCHES_MAX || !units)
		return -EINVAL;
	for (unsigned int i = 0; i < batches; i++) {
		struct cost cost;

		batch(bench, work, units, &cost);
		ns[i] = cost.ns;
		instructions[i] = cost.instructions;
		error = i && cost.error != error ? -1 : cost.error;
	}
	err = time_programs(bench, work, units, &bpf_ns);
	if (err)
		return err;
	printf("%.1f %.1f %.1f %s\n", typical(ns, batches), typical(instructions, batches), bpf_ns,
	       name_of(error));
	return 0;
}

/* A process of a flood; does not return. What it did it leaves in *ret_calls. */
static void flood(struct bench *bench, const char *cgroup, uint64_t end_ns, uint64_t *ret_calls)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sched_setaffinity(0, sizeof(bench->cpus), &bench->cpus) ||
	    place_enter(&bench->place, cgroup, 0))
		_exit(1);
	*ret_calls = work_until(&bench->place, end_ns);
	_exit(!*ret_calls);
}

static int order_flood(struct bench *bench, int argc, char **argv)
{
	const int n = argc - 2;
	const uint64_t start = work_now(), length = strtoull(argv[1], NULL, 10) * 1000000000;
	uint64_t *calls, sum = 0;
	bool failed = false;

	if (n > FLOODERS_MAX)
		return -EINVAL;
	calls = mmap(NULL, FLOODERS_MAX * sizeof(*calls), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (calls == MAP_FAILED)
		return -errno;
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (!pid)
			flood(bench, argv[2 + i], start + length, &calls[i]);
		failed |= pid < 0;
	}
	for (int status; wait(&status) > 0;)
		failed |= status != 0;
	for (int i = 0; i < n; i++)
		sum += calls[i];
	printf("%llu %llu\n", (unsigned long long)sum, (unsigned long long)(work_now() - start));
	munmap(calls, FLOODERS_MAX * sizeof(*calls));
	return failed ? -ECHILD : 0;
}

/* Waits until the file has grown, asleep: nothing here takes the CPU from its writer. */
static int wait_for_line(int file, int watch, off_t size)
{
	struct pollfd pollfd = { .fd = watch, .events = POLLIN };
	char events[4096];
	struct stat st;

	for (;;) {
		if (fstat(file, &st))
			return -errno;
		if (st.st_size > size)
			return 0;
		if (poll(&pollfd, 1, LINE_DEADLINE_MS) != 1)
			return -ETIMEDOUT;
		if (read(watch, events, sizeof(events)) < 0)
			return -errno;
	}
}

static int time_line(struct bench *bench, int file, int watch, double *ret_us)
{
	uint64_t start;
	struct stat st;
	int err;

	if (fstat(file, &st))
		return -errno;
	start = work_now();
	work_find("refused")->run(&bench->place);
	err = wait_for_line(file, watch, st.st_size);
	*ret_us = (double)(work_now() - start) / 1e3;
	nanosleep(&(const struct timespec){ .tv_nsec = LINE_PAUSE_NS }, NULL);
	return err;
}

static int order_lines(struct bench *bench, int argc, char **argv)
{
	_cleanup_close_ int file = open(argv[1], O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int watch = inotify_init1(IN_CLOEXEC);
	const unsigned int n = (unsigned int)atoi(argv[2]);
	_cleanup_free_ double *us = calloc(n, sizeof(*us));

	if (!n || n > LINES_MAX || !us)
		return -EINVAL;
	if (file < 0 || watch < 0 || inotify_add_watch(watch, argv[1], IN_MODIFY) < 0)
		return -errno;
	for (unsigned int i = 0; i < n; i++) {
		int err = time_line(bench, file, watch, &us[i]);

		if (err)
			return err;
	}
	qsort(us, n, sizeof(*us), compare);
	printf("%.1f %.1f %.1f\n", us[n / 2], us[(n * 999ULL) / 1000], us[n - 1]);
	return 0;
}

static const struct {
	const char *name;
	int argc; /* at least */
	int (*run)(struct bench *bench, int argc, char **argv);
} orders[] = {
	{ "enter", 3, order_enter }, { "attach", 3, order_attach }, { "detach", 1, order_detach },
	{ "ring", 2, order_ring },   { "try", 2, order_try },	    { "time", 4, order_time },
	{ "flood", 3, order_flood }, { "lines", 3, order_lines },
};

static int obey(struct bench *bench, char *line)
{
	char *argv[WORDS_MAX + 1], *rest = line;
	int argc = 0;

	while (argc < WORDS_MAX && (argv[argc] = strsep(&rest, " \n")))
		argc += *argv[argc] != '\0';
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
		if (argc >= orders[i].argc && !strcmp(argv[0], orders[i].name))
			return orders[i].run(bench, argc, argv);
	return -EINVAL;
}

/* To the last CPU there is: the first one has the most interrupts. */
static int pin(struct bench *bench)
{
	cpu_set_t last;
	int cpu = CPU_SETSIZE;

	if (sched_getaffinity(0, sizeof(bench->cpus), &bench->cpus))
		return -errno;
	while (cpu-- && !CPU_ISSET(cpu, &bench->cpus))
		;
	CPU_ZERO(&last);
	CPU_SET(cpu, &last);
	return sched_setaffinity(0, sizeof(last), &last) ? -errno : 0;
}

static int say(const char *what, int err)
{
	fprintf(stderr, "measure: %s: %s\n", what, strerror(-err));
	return 1;
}

int main(int argc, char **argv)
{
	struct bench bench = { .link = -1 };
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int err;

	if (argc != 4)
		return 2;
	err = pin(&bench);
	if (!err)
		err = place_open(&bench.place, argv[1], argv[2], argv[3]);
	if (err)
		return say("cannot start", err);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (getline(&line, &size, stdin) > 0) {
		_cleanup_free_ char *order = strdup(line);

		err = order ? obey(&bench, line) : -ENOMEM;
		if (err)
			return say(order ?: "order", err);
	}
	return 0;
}
