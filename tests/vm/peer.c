// SPDX-License-Identifier: GPL-2.0-only
/*
 * Both ends of a connect, for shell tests. Static: it runs in a guest that has no
 * libraries.
 *
 *   peer listen PORT...                           listens on every address; prints "ready"
 *   peer connect [-c CGROUP] [-g GID] [-u UID] ADDRESS PORT
 *                                                 prints "0", or the error as EPERM
 *
 * connect enters the cgroup and takes on the ids first. It exits with 0 for every
 * answer that the kernel gave to connect(2), 2 where it did not get that far.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void listen_on(const char *port)
{
	struct sockaddr_in6 address = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(atoi(port)),
	};
	int on = 1, off = 0, fd = socket(AF_INET6, SOCK_STREAM, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1024))
		err(2, "listen on %s", port);
}

static void enter_cgroup(const char *cgroup)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		err(2, "enter %s", cgroup);
	close(fd);
}

static void take_ids(const char *user, const char *group)
{
	if (group && (setgroups(0, NULL) || setgid(atoi(group))))
		err(2, "group %s", group);
	if (user && setuid(atoi(user)))
		err(2, "user %s", user);
}

static int connect_to(const char *to, const char *port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(port)) };
	struct sockaddr *address = (struct sockaddr *)&v4;
	socklen_t size = sizeof(v4);
	int fd;

	if (!inet_pton(AF_INET, to, &v4.sin_addr)) {
		address = (struct sockaddr *)&v6;
		size = sizeof(v6);
		if (!inet_pton(AF_INET6, to, &v6.sin6_addr))
			errx(2, "%s: no address", to);
	}
	fd = socket(address->sa_family, SOCK_STREAM, 0);
	if (fd < 0)
		err(2, "socket");
	puts(connect(fd, address, size) ? strerrorname_np(errno) : "0");
	return 0;
}

static int run_connect(int argc, char **argv)
{
	const char *cgroup = NULL, *user = NULL, *group = NULL;
	int option;

	while ((option = getopt(argc, argv, "c:g:u:")) != -1) {
		switch (option) {
		case 'c':
			cgroup = optarg;
			break;
		case 'g':
			group = optarg;
			break;
		case 'u':
			user = optarg;
			break;
		default:
			return 2;
		}
	}
	if (argc - optind != 2)
		errx(2, "connect [-c CGROUP] [-g GID] [-u UID] ADDRESS PORT");
	if (cgroup)
		enter_cgroup(cgroup);
	take_ids(user, group);
	return connect_to(argv[optind], argv[optind + 1]);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "connect"))
		return run_connect(argc - 1, argv + 1);
	if (argc < 3 || strcmp(argv[1], "listen"))
		errx(2, "usage: peer listen PORT... | peer connect ...");
	for (int i = 2; i < argc; i++)
		listen_on(argv[i]);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
