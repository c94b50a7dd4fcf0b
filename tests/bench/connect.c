// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process whose connects tests/bench/run measures. It sits in one cgroup and one
 * network namespace with the same sockets from start to end, while the script changes
 * what is attached to that cgroup. Orders come on stdin, each is answered by a line:
 *
 *	attach VERDICT		a program that only returns that, by a link, to the cgroup
 *	detach			takes it off
 *	ring PIN | ring -	empty this ring buffer after each batch; or none
 *	time TARGET BATCHES CALLS	-> NS INSTRUCTIONS ERROR, by call, of the median batch
 *	flood TARGET SECONDS DIR...	-> CALLS NS, from a process in each of these cgroups
 *
 * Anything that fails is said on stderr and ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "caller.h"
#include "cleanup.h"

#define FLOODERS_MAX 16
#define WORDS_MAX (FLOODERS_MAX + 4)

struct ring {
	unsigned long *consumer;
	const unsigned long *producer;
};

struct bench {
	int cgroup;
	int link; /* of the program that only returns */
	struct caller caller;
	struct ring ring;
};

static int fail(const char *what, int err)
{
	fprintf(stderr, "connect: %s: %s\n", what, strerror(-err));
	return err;
}

/* Moves this process into a cgroup; the descriptor of it, or -errno. */
static int enter(const char *cgroup)
{
	_cleanup_close_ int dir = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int members = -1;

	if (dir < 0)
		return -errno;
	members = openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (members < 0 || write(members, "0", 1) != 1)
		return -errno;
	return TAKE_FD(dir);
}

/* The program that does nothing but return: what it costs to have any. */

static int load_return(int verdict)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = verdict },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
	int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "bench_return", "GPL", program,
			       ARRAY_SIZE(program), &opts);

	return fd < 0 ? -errno : fd;
}

static int order_attach(struct bench *bench, int argc, char **argv)
{
	_cleanup_close_ int program = load_return(atoi(argv[1]));

	if (program < 0)
		return program;
	bench->link = bpf_link_create(program, bench->cgroup, BPF_CGROUP_INET4_CONNECT, NULL);
	if (bench->link < 0)
		return -errno;
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

/*
 * Emptying the ring buffer: the consumer's position, in its first page, is all there is
 * to it, and moving it costs the next batch nothing. The records are all submitted when
 * connect(2) has returned.
 */

static void ring_close(struct ring *ring)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (ring->consumer)
		munmap(ring->consumer, page);
	if (ring->producer)
		munmap((void *)ring->producer, page);
	*ring = (struct ring){ 0 };
}

static int ring_open(struct ring *ring, const char *pin)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	_cleanup_close_ int fd = bpf_obj_get(pin);
	void *consumer, *producer;

	if (fd < 0)
		return -errno;
	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (consumer == MAP_FAILED)
		return -errno;
	ring->consumer = consumer;
	producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (producer == MAP_FAILED)
		return -errno;
	ring->producer = producer;
	return 0;
}

static void ring_empty(void *userdata)
{
	const struct ring *ring = userdata;

	__atomic_store_n(ring->consumer, __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
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

static int find_target(const char *name, enum caller_target *ret_target)
{
	for (int i = 0; i < CALLER_TARGETS; i++) {
		if (strcmp(caller_target_names[i], name))
			continue;
		*ret_target = i;
		return 0;
	}
	return -EINVAL;
}

static int order_time(struct bench *bench, int argc, char **argv)
{
	enum caller_target target;
	struct caller_cost cost;
	int err = find_target(argv[1], &target);

	if (!err)
		err = caller_time(&bench->caller, target, (unsigned int)atoi(argv[2]),
				  (unsigned int)atoi(argv[3]),
				  bench->ring.consumer ? ring_empty : NULL, &bench->ring, &cost);
	if (err)
		return err;
	printf("%.1f %.1f %s\n", cost.ns, cost.instructions,
	       cost.error < 0 ? "mixed" :
	       cost.error     ? strerrorname_np(cost.error) :
				"none");
	return 0;
}

/* A process of a flood; does not return. What it did it leaves in *ret_calls. */
static void flood(const char *cgroup, enum caller_target target, uint64_t end_ns,
		  uint64_t *ret_calls)
{
	struct caller caller;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (enter(cgroup) < 0 || caller_open(&caller))
		_exit(1);
	*ret_calls = caller_until(&caller, target, end_ns);
	_exit(0);
}

static int order_flood(struct bench *bench, int argc, char **argv)
{
	const int n = argc - 3;
	const uint64_t start = caller_now(), length = strtoull(argv[2], NULL, 10) * 1000000000;
	uint64_t *calls, sum = 0;
	enum caller_target target;
	bool failed = false;

	if (n < 1 || n > FLOODERS_MAX || find_target(argv[1], &target))
		return -EINVAL;
	calls = mmap(NULL, FLOODERS_MAX * sizeof(*calls), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (calls == MAP_FAILED)
		return -errno;
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (!pid)
			flood(argv[3 + i], target, start + length, &calls[i]);
		failed |= pid < 0;
	}
	for (int status; wait(&status) > 0;)
		failed |= status != 0;
	for (int i = 0; i < n; i++)
		sum += calls[i];
	printf("%llu %llu\n", (unsigned long long)sum, (unsigned long long)(caller_now() - start));
	munmap(calls, FLOODERS_MAX * sizeof(*calls));
	return failed ? -ECHILD : 0;
}

static const struct {
	const char *name;
	int argc; /* at least */
	int (*run)(struct bench *bench, int argc, char **argv);
} orders[] = {
	{ "attach", 2, order_attach }, { "detach", 1, order_detach }, { "ring", 2, order_ring },
	{ "time", 4, order_time },     { "flood", 4, order_flood },
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

static int start(struct bench *bench, const char *cgroup)
{
	int err = caller_network_up();

	if (err)
		return fail("cannot set up the loopback device", err);
	bench->cgroup = enter(cgroup);
	if (bench->cgroup < 0)
		return fail(cgroup, bench->cgroup);
	err = caller_open(&bench->caller);
	return err ? fail("cannot make sockets", err) : 0;
}

int main(int argc, char **argv)
{
	struct bench bench = { .cgroup = -1, .link = -1 };
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	if (argc != 2 || start(&bench, argv[1]))
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (getline(&line, &size, stdin) > 0) {
		_cleanup_free_ char *order = strdup(line);
		int err = order ? obey(&bench, line) : -ENOMEM;

		if (err) {
			fail(order ?: "order", err);
			return 1;
		}
	}
	return 0;
}
