// SPDX-License-Identifier: GPL-2.0-only
/*
 * A record in the making, for as long as a program that is preempted may take: the log waits for
 * it without spinning, and nothing behind it is lost, at the end either. The program is the
 * test's own: it reserves a record in map_events, is busy, and discards it.
 */
#include "fixture.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <signal.h>
#include <sys/mman.h>

#define RECORD ((int)sizeof(struct smtpward_event))

/* Cleared so often, at some tens of microseconds each. */
#define BUSY_SIZE (1 << 20)
#define BUSY_TIMES (20000 / fixture_slow())

/* struct bpf_insn, as the headers for programs spell it. */
#define INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define MOVE(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define CALL(f) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define LOAD_FD(d, kind, fd) INSN(BPF_LD | BPF_DW | BPF_IMM, d, kind, 0, fd), INSN(0, 0, 0, 0, 0)

static int load_program(int events)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);
	_cleanup_close_ int memory = bpf_map_create(BPF_MAP_TYPE_ARRAY, "busy", sizeof(uint32_t),
						    BUSY_SIZE, 1, &options);
	const struct bpf_insn insns[] = {
		LOAD_FD(1, BPF_PSEUDO_MAP_FD, events),
		SET(2, RECORD),
		SET(3, 0),
		CALL(BPF_FUNC_ringbuf_reserve),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 12, 0),
		MOVE(6, 0),
		SET(7, BUSY_TIMES),
		/* Nothing is at that address: the memory is cleared. */
		LOAD_FD(1, BPF_PSEUDO_MAP_VALUE, memory),
		SET(2, BUSY_SIZE),
		SET(3, 0),
		CALL(BPF_FUNC_probe_read_kernel),
		INSN(BPF_ALU64 | BPF_SUB | BPF_K, 7, 0, 0, 1),
		INSN(BPF_JMP | BPF_JNE | BPF_K, 7, 0, -7, 0),
		MOVE(1, 6),
		SET(2, 0),
		CALL(BPF_FUNC_ringbuf_discard),
		SET(0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "busy", "GPL", insns, ARRAY_SIZE(insns),
			       NULL);

	if (memory < 0 || fd < 0)
		fail_msg("cannot load the program: %s", strerror(errno));
	return fd;
}

static int run_program(void *arg)
{
	char packet[64] = "";
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof(packet));

	return bpf_prog_test_run_opts(*(const int *)arg, &options) ? errno : (int)options.retval;
}

/* Nanoseconds that a process has run. */
static uint64_t cpu_of(pid_t pid)
{
	_cleanup_fclose_ FILE *file = NULL;
	unsigned long long ns = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	file = fopen(path, "re");
	assert_true(file && fscanf(file, "%llu", &ns) == 1);
	return ns;
}

/* The program is at it, in a child, and three attempts lie behind its record. */
static struct child_handle begin_record(int *program)
{
	const long page = sysconf(_SC_PAGESIZE);
	_cleanup_close_ int events = bpf_pin_open("policy/map_events");
	const volatile unsigned long *producer =
		mmap(NULL, (size_t)page, PROT_READ, MAP_SHARED, events, page);
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	struct child_handle child;
	unsigned long before;

	assert_ptr_not_equal(producer, MAP_FAILED);
	*program = load_program(events);
	before = *producer;
	child = child_start(CHILD(0), run_program, program);
	while (*producer == before)
		assert_true(pause_until(deadline));
	munmap((void *)producer, (size_t)page);
	for (int i = 0; i < 3; i++)
		assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	return child;
}

static void test_waits(void **state)
{
	_cleanup_(log_close) struct log log;
	_cleanup_close_ int program = -1;
	struct child_handle child;
	int64_t begin, took;
	uint64_t cpu;

	cgroup_make("web.service");
	policy_load("deny\n");
	log_start(&log, LOG_STDERR);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	log_line(&log, " verdict=deny ", 0);
	cpu = cpu_of(log.pid);
	begin = clock_ms();
	child = begin_record(&program);
	assert_int_equal(child_wait(&child), 0);
	took = clock_ms() - begin;
	cpu = cpu_of(log.pid) - cpu;
	log_line(&log, " verdict=deny ", 3);
	print_message("# the record took %d ms, the log ran for %d ms of them\n", (int)took,
		      (int)(cpu / 1000000));
	assert_true(cpu < (uint64_t)took * 1000000 / 4);
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, " verdict=deny "), 4);
}

/* Nobody comes after it who would find what is behind the record. */
static void test_end_of_a_trial(void **state)
{
	const char *argv[] = {
		"smtpward",	  "run",    "--trial",	  "-c", policy_write("deny\n"), "--cgroup",
		fixture.attached, "--pins", fixture.pins, NULL
	};
	_cleanup_(log_close) struct log log;
	_cleanup_close_ int program = -1;
	struct child_handle child;

	cgroup_make("web.service");
	log_start_run(&log, argv, NULL);
	log_line(&log, "to see one", 0);
	child = begin_record(&program);
	log_end(&log, SIGTERM);
	assert_int_equal(child_wait(&child), 0);
	assert_int_equal(log_count(&log, " verdict=deny "), 3);
}

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
		TEST(test_waits),
		TEST(test_end_of_a_trial),
	};

	return cmocka_run_group_tests_name("busy", tests, setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
