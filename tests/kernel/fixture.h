/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the tests against the running kernel: a mount namespace with a bpffs, a network
 * namespace with addresses and listeners, a cgroup of our own, the real smtpward, and children
 * whose connects are refused.
 *
 * main() runs the tests in a child (fixture_main); the parent outlives the child whatever happens,
 * and removes all that is left: processes, cgroups, the directory. No wait is without a deadline.
 * A function that runs in a child never asserts: it returns.
 */
#ifndef SMTPWARD_TEST_KERNEL_FIXTURE_H
#define SMTPWARD_TEST_KERNEL_FIXTURE_H

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include <smtpward/abi.h>

#include "base/cleanup.h"
#include "base/macro.h"

/* fixture.c */

struct fixture {
	const char *built;	  /* smtpward as it was built, maybe where only root can enter */
	const char *binary;	  /* the copy in dir that the tests run: every user can run it */
	char dir[64];		  /* a tmpfs of our own, traversable by everyone */
	char pins[96];		  /* on a bpffs below dir; does not exist until a load */
	char root[PATH_MAX];	  /* the v2 hierarchy */
	char name[48];		  /* of our cgroup below the root; ends in .slice */
	char base[PATH_MAX + 64]; /* its directory */
	int base_fd;
	uint64_t root_id;
	/*
	 * The cgroup that policies are attached to: base; with SMTPWARD_TEST_ON_ROOT the root
	 * itself.
	 */
	const char *attached;
	int attached_fd;
	uint64_t attached_id;
};

extern struct fixture fixture;

/* Runs the tests in a supervised child. The exit status for main(). */
int fixture_main(int (*tests)(void));

/* The instance name of the pins, for objects that lie elsewhere: the lock, the kept policy. */
const char *fixture_instance(void);

/* Group setup and teardown, and the teardown of each test that tidies up. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
int fixture_tidy(void **state);

/* Prints the reason on stderr, then skips the test. */
#define fixture_skip_as(name, ...)                           \
	do {                                                 \
		fprintf(stderr, "# SKIP-REASON %s: ", name); \
		fprintf(stderr, __VA_ARGS__);                \
		fputc('\n', stderr);                         \
		skip();                                      \
	} while (0)
#define fixture_skip(...) fixture_skip_as(__func__, __VA_ARGS__)

/* Whether the machine, with its root cgroup and its clock, is the tests' own, as in a guest. */
bool fixture_owns_machine(void);

/* A number over 0 from the environment; otherwise, if it is not set. */
int fixture_number(const char *name, int otherwise);

/* How often the long loops run; the environment's SMTPWARD_TEST_LOOPS or 10,000. */
int fixture_loops(void);

/* How many of `most` rounds to do: at most the environment's SMTPWARD_TEST_ROUNDS. */
int fixture_rounds(int most);

/* How many times slower than a real machine this one may be: SMTPWARD_TEST_SLOW or 1. */
int fixture_slow(void);

/* Deadlines, in milliseconds of CLOCK_MONOTONIC. */
#define FIXTURE_PATIENCE (90000 * fixture_slow())

int64_t clock_ms(void);
bool pause_until(int64_t deadline); /* a short nap; false if the deadline is over */

/* fixture_cgroup.c. Paths are relative to our cgroup; "" is our cgroup. */

int cgroup_open(const char *path, bool make); /* a directory's descriptor or -errno */
void cgroup_make(const char *path);	      /* with all cgroups above it; asserts */
void cgroup_remove(const char *path);	      /* with all cgroups below it; asserts */
uint64_t cgroup_id(const char *path);
int cgroup_enter_fd(int dir_fd);			/* 0 or -errno */
int cgroup_empty_tree(int parent_fd, const char *name); /* kills, removes: 0 or -errno */
int cgroup_rmdir(int parent_fd, const char *name, int64_t deadline); /* waits while it is busy */
bool cgroup_exists_id(uint64_t id);
bool cgroup_find_mount(const char *type, const char *option, char *dst, size_t size);

/* fixture_child.c */

typedef int (*child_fn)(void *arg);

struct child {
	const char *cgroup; /* relative to ours, or NULL: where the caller is */
	int cgroup_fd;	    /* if cgroup is NULL and this is over 0 */
	bool clone_into;    /* the child is made in its cgroup, and not moved there */
	uid_t uid, euid;    /* the child's ids; 0: those of the tests */
	gid_t egid;
	const gid_t *groups; /* supplementary, or NULL */
	size_t n_groups;
};

#define CHILD(...) (&(const struct child){ __VA_ARGS__ })
#define CHILD_IN(path) CHILD(.cgroup = (path))

/*
 * child_run() runs fn(arg) in a child and returns its result. child_start() starts such a child;
 * child_wait() returns the result later.
 */
int child_run(const struct child *child, child_fn fn, void *arg);

struct child_handle {
	pid_t pid;
	int fd;
};

/*
 * A line of /proc/PID/status as a number; also of a process that has ended, until somebody waits
 * for it.
 */
uint64_t process_status(pid_t pid, const char *name, int base);

struct child_handle child_start(const struct child *child, child_fn fn, void *arg);
int child_wait(struct child_handle *handle);

/* Children that the tidying kills if the test did not end them. */
void child_register(pid_t pid);
void child_forget(pid_t pid);
void child_kill_all(void);
int child_reap(pid_t pid, int64_t deadline, int *ret_status); /* 0 or -ETIMEDOUT */

/* fixture_reader.c: the reader that is not root. */

#define READER "nobody"
#define READER_ID 65534

int reader_become(void *arg);		/* a child_fn */
int reader_enter_and_become(void *arg); /* ... in log.service */
int reader_set_capabilities(uint64_t set);

/* fixture_net.c. Listening, v4 and v6: 25, 26, 587 and 2500 to 2515. */

#define NET_OUTSIDE4 "192.0.2.1"
#define NET_OUTSIDE4_OTHER "203.0.113.9"
#define NET_OUTSIDE6 "2001:db8::1"

void net_setup(void); /* asserts */
void net_teardown(void);
int net_up(bool listen);	/* in a new network namespace; 0 or -errno */
int net_request(void *request); /* of rtnetlink, begins with its header; 0 or -errno */

/* NET_ADD adds IPv6 addresses without duplicate address detection, NET_ADD_TENTATIVE with it. */
enum net_change { NET_REMOVE, NET_ADD, NET_ADD_TENTATIVE };
int net_change_address(const char *device, const char *address, uint8_t bits,
		       enum net_change change);
int net_device_up(const char *device);
socklen_t net_address(const char *address, uint16_t port, struct sockaddr *ret); /* 0: unknown */
void net_close_at_once(int fd); /* a reset and no TIME_WAIT */

/* The first packets of TCP connections on the loopback device, by destination port. */
void wire_drain(void);
int wire_syns(uint16_t port);

/* fixture_connect.c: each way returns 0, an errno, or -errno if the kernel lacks the way. */

enum way {
	WAY_CONNECT,
	WAY_NONBLOCK,
	WAY_AGAIN, /* again on the same fd, which must still be good for port 26 */
	WAY_FASTOPEN,
	WAY_FASTOPEN_CONNECT,
	WAY_MPTCP,
	WAY_URING,
	WAY_URING_ASYNC,
	WAY_URING_SQPOLL,
	WAY_REPAIR,
	WAY_UNSPEC_FIRST,
	WAY_SELF,	  /* to the socket's own port, bound before: a simultaneous open */
	WAY_BOUND_MAPPED, /* bound to an IPv4 address in IPv6 */
	WAY_UDP,
	WAY_UDP_SENDTO,
	WAY_ICMP,
	WAY_RAW,
	WAY_SMC,
	WAY_OTHER_NETNS,
};

struct attempt {
	enum way way;
	const char *to;
	uint16_t port;
};

int attempt(void *attempt); /* a child_fn */

/* The same in a child in a cgroup. */
int attempt_in(const char *cgroup, const char *to, uint16_t port);

/*
 * fixture_uring.c: a connect(2) through io_uring; 0, an errno, or -errno if the kernel has no
 * io_uring.
 */
int uring_connect(int fd, const void *address, socklen_t size, bool async, bool sqpoll);
/* The same for setsockopt(2); EOPNOTSUPP or EINVAL if the kernel has no such operation. */
int uring_setsockopt(int fd, int level, int option, const void *value, socklen_t size);

/* fixture_run.c */

struct run {
	int status; /* exit status, or 256 + the signal that ended it */
	char out[65536];
	char err[32768];
};

extern struct run run; /* the result of the last command */

/* Runs smtpward with these arguments, up to NULL; returns its exit status. */
int smtpward(const char *command, ...) __attribute__((sentinel));
int smtpward_child(const char *const *argv, child_fn before, void *arg);

/*
 * policy_write() writes a policy; format as for printf. policy_load() also loads the policy, and
 * asserts that this worked.
 */
const char *policy_write(const char *format, ...) __attribute__((format(printf, 1, 2)));
void policy_load(const char *format, ...) __attribute__((format(printf, 1, 2)));
int policy_load_file(const char *file);
void policy_unload(void);

/*
 * Whether this kernel can refuse with another error than EPERM; and that error, or EPERM if it
 * cannot.
 */
bool reject_is_there(void);
int reject_or_eperm(int reject);

/* The output of status --json, and one counter of it. */
json_t *status_json(void);
uint64_t status_counter(const char *name);

/* fixture_trace.c */

struct bpf_insn;
typedef void (*trace_fn)(struct bpf_insn *insns, size_t n);

/*
 * For smtpward_child(), called before smtpward runs: each program that smtpward loads goes through
 * fn. Returns 0 in a child of the caller, or 1.
 */
int trace_programs(trace_fn fn);

/* The same, but as a call returns, smtpward is killed, with exit status 128 + SIGKILL, or held. */
struct trace_end {
	int command;	      /* bpf(2) with this, ... */
	unsigned int nth;     /* ... that for the Nth time, ... */
	unsigned int further; /* ... and so many calls of any kind behind it */
	unsigned int hold_ms; /* 0: smtpward is killed */
};

int trace_killed(void *trace_end); /* a child_fn */
bool trace_is_call(const struct bpf_insn *insn, int helper);

/* fixture_log.c */

enum log_sink { LOG_FILE, LOG_JSON, LOG_STDERR };

struct log {
	pid_t pid;
	int fd;	    /* lines are read from it */
	int notify; /* inotify, for a file */
	char *text; /* all lines so far, NUL-terminated */
	size_t used, size;
};

/* Starts a logger, and waits until a signal ends it in order. */
void log_start(struct log *log, enum log_sink sink);
/* Starts a command that runs on, stdout and stderr together; calls before ahead of the command. */
void log_start_run(struct log *log, const char *const *argv, child_fn before);
/* Ends the log with a signal, and reads all of its lines. */
void log_end(struct log *log, int signal);
void log_close(struct log *log);
int log_wait_exit(struct log *log); /* its exit status, all lines read */

/* The n-th line (from 0) that holds needle; waits for it, asserts that it comes. */
const char *log_line(struct log *log, const char *needle, unsigned int n);
unsigned int log_count(const struct log *log, const char *needle);

/*
 * Waits until a log that reads has had its first look at the attached links. A trouble of the
 * first look that 'load' repairs ends a log --until-alert after a minute only.
 */
void log_pass_first_look(void);

/* A line's fields, without quotes. A list, such as args, has a NUL between two of its words. */
#define LINE_FIELDS 24

struct line {
	size_t n;
	struct line_field {
		char name[16];
		char value[2048];
		size_t len;
	} fields[LINE_FIELDS];
};

void line_read(const char *text, struct line *ret);	 /* a line of FILE or stderr; asserts */
void line_read_json(const char *text, struct line *ret); /* asserts */
const struct line_field *line_field(const struct line *line, const char *name); /* asserts */
void line_assert(const struct line *line, const char *name, const char *value);
void line_assert_list(const struct line *line, const char *name, const char *words, size_t len);
void line_assert_number(const struct line *line, const char *name, uint64_t number);
uint64_t line_number(const struct line *line, const char *name); /* 0 if the field is missing */

/*
 * fixture_line.c: calls each for each field as the product's strict reader reads it, by name and
 * bytes; false, with the reason in why, if the reader takes no such line.
 */
bool line_strict(const char *text, size_t len,
		 void (*each)(void *userdata, const char *name, const char *value, size_t len),
		 void *userdata, char *why, size_t size);

/* fixture_fire.c: connects without pause, while one policy replaces another. */

#define FIRE_ATTACKERS 2

/* Every policy in force has these rules, and no other rule about the attackers' connects. */
#define FIRE_POLICY "allow to 203.0.113.9\nallow cgroup /%s/churn/allowed-*\n"

/* Children count in it; they share the memory with us. */
struct fire {
	bool stop;
	uint64_t refused_right, refused_wrong;
	uint64_t passed_right, passed_wrong;
	uint64_t failed; /* anything but 0 and EPERM */
};

extern struct fire *fire;

void fire_setup(void); /* once, ahead of all; asserts */
/* Each attacker has connects to be refused and connects to pass; churns: cgroups come and go. */
void fire_start(unsigned int attackers, bool churns);
void fire_end(void); /* asserts that each connect got what it should */

/* fixture_tally.c */

#define TALLY_ATTACKERS 2

/* An address for each attempt: 2001:db8::, the attacker, the number. */
struct sockaddr_in6 tally_address(uint16_t attacker, uint32_t number);

/* The first units are counted by name. */
#define TALLY_UNITS 8

/* The sum of the lines. */
struct tally {
	uint64_t lines, suppressed, lost;
	uint64_t twice; /* lines of an attempt that has a line already */
	struct tally_unit {
		char name[64];
		uint64_t attempts; /* in lines and sums with this name */
	} units[TALLY_UNITS];
	uint8_t *seen[TALLY_ATTACKERS]; /* a bit for each attempt */
};

void tally_init(struct tally *tally); /* asserts */
void tally_free(struct tally *tally);
uint64_t tally_sum(const struct tally *tally);
uint64_t tally_of_unit(const struct tally *tally, const char *name);
/* Asserts that the text is one whole line. */
void tally_line(struct tally *tally, const char *text);
void tally_datagrams(struct tally *tally, int fd);	    /* all that wait; fd must not block */
void tally_log(struct tally *tally, const struct log *log); /* lines among a logger's messages */

/* fixture_syslog.c */

#define SYSLOG_SOCKET "/dev/log"

void syslog_make_dev(void); /* in our mount namespace; the machine's stays as it is */
int syslog_bind(void);	    /* a datagram socket at SYSLOG_SOCKET; asserts */

/* fixture_bpf.c */

/* Opens a pinned object by its name below the pins. */
int bpf_pin_open(const char *name);

/* Removes a link's last pin, and waits until the kernel has freed the link. */
void bpf_link_unpin(const char *name);

/* Removes a pin, or a directory with its pins, by its name below the pins; "" is all; asserts. */
void bpf_wipe(const char *name);

/* The entries of cgroups that are gone, once no entry changes any more. */
unsigned int bpf_stale_cgroups(void);
unsigned int bpf_count_cgroups(void);

/* The number of generations' directories among the pins. */
unsigned int bpf_count_generations(void);

/* Loads and attaches a program that lets everything pass, alone on its hook. */
int bpf_attach_exclusive(int cgroup_fd, bool v6); /* the program's descriptor; asserts */

/* How many programs are attached to a cgroup's own connect4 or connect6. */
unsigned int bpf_count_attached(int cgroup_fd, bool v6);

/* A small map that is not smtpward's. */
int bpf_foreign_map(void);

/* Ids of programs, maps and links. */
struct bpf_ids {
	uint32_t ids[3][4096];
	size_t n[3];
};

/* Reads all ids on the machine. */
void bpf_ids_read(struct bpf_ids *ids);
/*
 * Waits until all objects are gone that are there now and not in before; returns how many stay.
 * Objects that others make later do not count.
 */
size_t bpf_ids_wait_gone(const struct bpf_ids *before);

/* Reads the ids of all pins below a directory, and of the objects that they use. */
void bpf_ids_of_pins(const char *pins, struct bpf_ids *ret);
/* Waits until the kernel has freed all objects in ids; returns how many stay. */
size_t bpf_ids_wait_dead(const struct bpf_ids *ids);
/*
 * The most instructions that the verifier went through for one of the programs; 0 before Linux
 * 5.16.
 */
uint32_t bpf_ids_most_verified(const struct bpf_ids *ids);

#endif /* SMTPWARD_TEST_KERNEL_FIXTURE_H */
