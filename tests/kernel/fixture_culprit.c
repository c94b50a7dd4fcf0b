// SPDX-License-Identifier: GPL-2.0-only
/* Crimes and their traces; see fixture_culprit.h. */
#include "fixture_culprit.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int connect_outside(void)
{
	struct attempt connect = { WAY_CONNECT, NET_OUTSIDE4, 25 };

	return attempt(&connect);
}

static int culprit(const char *deed, const char *path)
{
	if (!strcmp(deed, "unlink") && unlink(path))
		return 255;
	if (!strcmp(deed, "chroot") && chroot(path))
		return 255;
	return connect_outside();
}

uint64_t netns_number(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
}

static bool set_auid(const char *auid)
{
	_cleanup_close_ int fd = open("/proc/self/loginuid", O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, auid, strlen(auid)) > 0;
}

static int commit(const struct crime *crime, int cgroup_fd)
{
	const char *argv[] = { "culprit", "--culprit", crime->deed ?: "", crime->deed_path ?: "",
			       NULL };

	if (cgroup_enter_fd(cgroup_fd) || (crime->own_netns && unshare(CLONE_NEWNET)))
		return 255;
	crime->facts->pid = getpid();
	crime->facts->ppid = getppid();
	crime->facts->netns = netns_number();
	crime->facts->auid_set = set_auid("1000");
	if (crime->comm && prctl(PR_SET_NAME, crime->comm))
		return 255;
	if (setregid(-1, crime->egid) || setresuid(crime->uid, crime->euid, crime->uid))
		return 255;
	if (crime->exe_fd > 0)
		fexecve(crime->exe_fd, (char *const *)argv, environ);
	else if (crime->exe)
		execv(crime->exe, (char *const *)argv);
	else
		return connect_outside();
	return 254;
}

/* The parent in between, which lives as short. */
static int be_the_parent(void *userdata)
{
	const struct crime *crime = userdata;
	_cleanup_close_ int cgroup_fd = cgroup_open(crime->cgroup, false);
	pid_t pid;
	int status;

	if (cgroup_fd < 0 || prctl(PR_SET_NAME, crime->parent ?: "parent"))
		return 255;
	pid = fork();
	if (!pid)
		_exit(commit(crime, cgroup_fd));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 255;
	return WEXITSTATUS(status);
}

static struct facts *shared_facts(void)
{
	static struct facts *facts;

	if (!facts)
		facts = mmap(NULL, sizeof(*facts), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(facts != MAP_FAILED);
	return facts;
}

/* In a cgroup that is there for this alone. */
void commit_and_vanish(struct crime *crime)
{
	crime->facts = shared_facts();
	crime->facts->when = time(NULL);
	cgroup_make(crime->cgroup);
	crime->facts->cgid = cgroup_id(crime->cgroup);
	assert_int_equal(child_run(CHILD(0), be_the_parent, crime), EPERM);
	cgroup_remove("");
}

void read_one_line(enum log_sink sink, struct line *line)
{
	_cleanup_(log_close) struct log log;
	const char *text;

	log_start(&log, sink);
	text = log_line(&log, "verdict", 0);
	if (sink == LOG_JSON)
		line_read_json(text, line);
	else
		line_read(text, line);
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, ""), 1);
}

void copy_self_to(int to)
{
	_cleanup_close_ int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;

	assert_int_equal(fstat(from, &st), 0);
	for (off_t at = 0; at < st.st_size;)
		assert_true(sendfile(to, from, &at, (size_t)(st.st_size - at)) > 0);
	assert_int_equal(fchmod(to, 0755), 0);
}

void copy_self(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	copy_self_to(fd);
	close(fd);
}

const char *below_dir(const char *name)
{
	static char paths[32][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 32];

	snprintf(path, PATH_MAX, "%s/%s", fixture.dir, name);
	return path;
}

const char *below_base(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "/%s/%s", fixture.name, name);
	return path;
}

int culprit_main(int argc, char **argv, int (*tests)(void))
{
	if (argc == 4 && !strcmp(argv[1], "--culprit"))
		return culprit(argv[2], argv[3]);
	return fixture_main(tests);
}
