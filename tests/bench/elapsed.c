// SPDX-License-Identifier: GPL-2.0-only
/*
 * elapsed FILE COMMAND [ARGUMENT]...: runs the command and appends the milliseconds
 * from before its exec to its exit to FILE. Ends as the command does.
 */
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int append(const char *path, double ms)
{
	FILE *file = fopen(path, "ae");

	if (!file)
		return -1;
	fprintf(file, "%.3f\n", ms);
	return fclose(file);
}

int main(int argc, char **argv)
{
	double start = now_ms();
	int err, status;
	pid_t pid;

	if (argc < 3)
		return 2;
	err = posix_spawnp(&pid, argv[2], NULL, NULL, argv + 2, environ);
	if (err) {
		fprintf(stderr, "elapsed: %s: %s\n", argv[2], strerror(err));
		return 127;
	}
	if (waitpid(pid, &status, 0) != pid)
		return 1;
	if (append(argv[1], now_ms() - start)) {
		perror(argv[1]);
		return 1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
