// SPDX-License-Identifier: GPL-2.0-only
/* Commits crimes; see fixture_culprit.h. */
#include "fixture_culprit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CULPRIT_DEED "SMTPWARD_TEST_CULPRIT"
#define CULPRIT_PATH "SMTPWARD_TEST_CULPRIT_PATH"

static int connect_outside(void)
{
	struct attempt connect = { WAY_CONNECT, NET_OUTSIDE4, 25 };

	return attempt(&connect);
}

/* As a container has it: a file system of its own at its root, and nothing else. */
static int enter_container(const char *path)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    chdir(path) || mkdir("old", 0700))
		return -1;
	if (!syscall(SYS_pivot_root, ".", "old")) {
		if (umount2("/old", MNT_DETACH))
			return -1;
		return chdir("/srv/www");
	}
	/* An initramfs stays where it is: then it is covered, as engines do it. */
	if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) || chroot("."))
		return -1;
	return chdir("/srv/www");
}

/* Out of what a mount shows of its file system, two levels up. */
static int move_out(const char *path)
{
	char to[PATH_MAX];

	snprintf(to, sizeof(to), "%s/../../out", path);
	return rename(path, to);
}

/* A process whose words are not in memory, or nowhere: they begin in the page of its stack. */
struct without_words {
	char *page;
	bool unmap;
	/* On the stack of whoever waits: no frame that is in use lies in the words' page. */
	char between[2 * 64 * 1024];
};

/* On a stack of its own. */
static void *connect_without_words(void *arg)
{
	struct without_words *without = arg;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (without->unmap ? munmap(without->page, page)
			   : madvise(without->page, page, MADV_DONTNEED)) {
		perror(without->unmap ? "munmap" : "madvise");
		_exit(255);
	}
	_exit(connect_outside());
}

static int lose_words(const char *words, bool unmap)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	struct without_words without = {
		.page = (char *)((uintptr_t)words / page * page),
		.unmap = unmap,
	};
	pthread_t thread;

	/* It ends the process. */
	if (!pthread_create(&thread, NULL, connect_without_words, &without))
		for (;;)
			pause();
	return 255;
}

/* A page that nobody ever brings. */
static int never_bring(char *page, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register pages = {
		.range = { .start = (uintptr_t)page, .len = size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &pages))
		return -1;
	return madvise(page, size, MADV_DONTNEED);
}

/* What the kernel takes for the words; any process may say so of its own. */
static int set_words(const char *begin, const char *end)
{
	const uintptr_t here = (uintptr_t)begin;
	/* All of them have to be addresses, and what is only going to connect needs none. */
	struct prctl_mm_map map = {
		.start_code = here,
		.end_code = here + 1,
		.start_data = here,
		.end_data = here,
		.start_brk = here,
		.brk = here,
		.start_stack = here,
		.arg_start = here,
		.arg_end = (uintptr_t)end,
		.env_start = here,
		.env_end = here,
		.exe_fd = (__u32)-1,
	};

	return prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0);
}

/* Words around the end of a page, and what becomes of the next one. */
static int put_words_elsewhere(const char *how)
{
	static const char words[] = ELSEWHERE_WORD "\0" ELSEWHERE_SCRIPT;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const bool across = !strcmp(how, "across");
	char *area =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *next = area + page, *begin = next - sizeof(ELSEWHERE_WORD) - (across ? 4 : 0);

	if (area == MAP_FAILED)
		return -1;
	memcpy(begin, words, sizeof(words));
	if (set_words(begin, begin + sizeof(words)))
		return -1;
	if (!strcmp(how, "dropped") || across)
		return madvise(next, page, MADV_DONTNEED);
	if (!strcmp(how, "unmapped"))
		return munmap(next, page);
	if (!strcmp(how, "forbidden"))
		return mprotect(next, page, PROT_NONE);
	if (!strcmp(how, "never brought"))
		return never_bring(next, page);
	if (!strcmp(how, "all never brought"))
		return never_bring(area, 2 * page);
	if (!strcmp(how, "all forbidden"))
		return mprotect(area, 2 * page, PROT_NONE);
	return strcmp(how, "there");
}

/* As setproctitle(3) does it: over all words, and zeros behind it. */
static int call_itself(char *title, char *words)
{
	char *end = words + strlen(words);

	for (int i = 0; i < 3; i++)
		end += strlen(end + 1) + 1;
	if ((size_t)(end - words) < strlen(title))
		return -1;
	title = strdup(title);
	memset(words, 0, (size_t)(end - words));
	strcpy(words, title);
	free(title);
	return 0;
}

static int deed_by_uring(void)
{
	struct attempt connect = { WAY_URING_SQPOLL, NET_OUTSIDE4, 25 };

	return attempt(&connect);
}

static int culprit(char *deed, char *path, char *words)
{
	if (!strcmp(deed, "unlink") && unlink(path))
		return 255;
	if (!strcmp(deed, "rmdir") && rmdir(path))
		return 255;
	if (!strcmp(deed, "chroot") && chroot(path))
		return 255;
	if (!strcmp(deed, "container") && enter_container(path))
		return 255;
	if (!strcmp(deed, "move-out") && move_out(path))
		return 255;
	if (!strcmp(deed, "elsewhere") && put_words_elsewhere(path))
		return 255;
	if (!strcmp(deed, "unmap") || !strcmp(deed, "page-out"))
		return lose_words(words, !strcmp(deed, "unmap"));
	if (!strcmp(deed, "title") && call_itself(path, words))
		return 255;
	if (!strcmp(deed, "sqpoll"))
		return deed_by_uring();
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
	if (crime->cwd && chdir(crime->cwd))
		return 255;
	/* Words of its own: what it is to do it finds in its environment. */
	if (crime->words && (setenv(CULPRIT_DEED, crime->deed ?: "", 1) ||
			     setenv(CULPRIT_PATH, crime->deed_path ?: "", 1)))
		return 255;
	if (crime->exe_fd > 0)
		fexecve(crime->exe_fd, (char *const *)argv, environ);
	else if (crime->exe)
		execv(crime->exe, (char *const *)(crime->words ?: argv));
	else
		return connect_outside();
	return 254;
}

/* A process above the culprit, and the processes between both: number 0 is the culprit's parent. */
static int be_above(const struct crime *crime, int cgroup_fd, int n)
{
	pid_t pid;
	int status;

	if (prctl(PR_SET_NAME, crime->above[n] ?: "parent"))
		return 255;
	pid = fork();
	if (!pid)
		_exit(n > 0 ? be_above(crime, cgroup_fd, n - 1) : commit(crime, cgroup_fd));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 255;
	return WEXITSTATUS(status);
}

/* The processes between the test and the culprit; they end with the culprit. */
static int be_the_parent(void *userdata)
{
	const struct crime *crime = userdata;
	_cleanup_close_ int cgroup_fd = cgroup_open(crime->cgroup, false);
	int n = 0;

	if (cgroup_fd < 0)
		return 255;
	while (n + 1 < CULPRIT_ABOVE && crime->above[n + 1])
		n++;
	return be_above(crime, cgroup_fd, n);
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

/* Commits the crime in a cgroup that is made for it and removed after it. */
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
	if (getenv(CULPRIT_DEED))
		return culprit(getenv(CULPRIT_DEED), getenv(CULPRIT_PATH), argv[0]);
	if (argc == 4 && !strcmp(argv[1], "--culprit"))
		return culprit(argv[2], argv[3], argv[0]);
	return fixture_main(tests);
}
