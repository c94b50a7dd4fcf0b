// SPDX-License-Identifier: GPL-2.0-only
/*
 * Containers: which cgroups are one, what engines' files say of them, and files that are not there,
 * cut, or somebody else's.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ask/containers.h"
#include "base/cleanup.h"
#include "base/macro.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_cgroups(void **state __attribute__((unused)))
{
	static const struct {
		const char *cgroup;
		enum container_engine engine;
		const char *id, *name;
	} cases[] = {
		{ "/system.slice/docker-" ID ".scope", CONTAINER_DOCKER, ID, "" },
		{ "/mail.slice/docker-" ID ".scope/init", CONTAINER_DOCKER, ID, "" },
		{ "/docker/" ID, CONTAINER_DOCKER, ID, "" },
		{ "/machine.slice/libpod-" ID ".scope/container", CONTAINER_PODMAN, ID, "" },
		{ "/libpod_parent/libpod-" ID, CONTAINER_PODMAN, ID, "" },
		{ "/kubepods.slice/kubepods-burstable.slice/cri-containerd-" ID ".scope",
		  CONTAINER_KUBELET, ID, "" },
		{ "/kubepods.slice/crio-" ID ".scope", CONTAINER_KUBELET, ID, "" },
		{ "/lxc/101/ns", CONTAINER_LXC, "", "101" },
		{ "/lxc.payload.web", CONTAINER_LXC, "", "web" },
		{ "/lxc.payload/web", CONTAINER_LXC, "", "web" },
		/* Names that somebody else can give. */
		{ "/user.slice/user-1000.slice/docker-" ID ".scope", CONTAINER_NONE, "", "" },
		{ "/system.slice/web.service/docker-" ID ".scope", CONTAINER_NONE, "", "" },
		{ "/system.slice/web.service/lxc.payload.web", CONTAINER_NONE, "", "" },
		/* None at all. */
		{ "/", CONTAINER_NONE, "", "" },
		{ "", CONTAINER_NONE, "", "" },
		{ "/system.slice", CONTAINER_NONE, "", "" },
		{ "/system.slice/docker.service", CONTAINER_NONE, "", "" },
		{ "/system.slice/docker-0123.scope", CONTAINER_NONE, "", "" },
		{ "/system.slice/docker-" ID "0.scope", CONTAINER_NONE, "", "" },
		{ "/system.slice/docker-" ID ".service", CONTAINER_NONE, "", "" },
		{ "/system.slice/docker-X" ID ".scope", CONTAINER_NONE, "", "" },
		{ "/docker", CONTAINER_NONE, "", "" },
		{ "/docker/build", CONTAINER_NONE, "", "" },
		{ "/lxc", CONTAINER_NONE, "", "" },
		{ "/lxc.payload.", CONTAINER_NONE, "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container container = { .engine = CONTAINER_NONE };

		if (container_from_cgroup(cases[i].cgroup, &container) !=
		    (cases[i].engine != CONTAINER_NONE))
			fail_msg("%s", cases[i].cgroup);
		assert_int_equal(container.engine, cases[i].engine);
		assert_string_equal(container.id, cases[i].id);
		assert_string_equal(container.name, cases[i].name);
	}
}

static char dir[] = "/tmp/swcontainers.XXXXXX";

static void path_of(const char *name, char *dst, size_t size)
{
	snprintf(dst, size, "%s%s", dir, name);
}

/* With all directories above it. */
static void write_file(const char *name, const char *text)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[512];

	path_of(name, path, sizeof(path));
	for (char *slash = path + strlen(dir) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		assert_true(!mkdir(path, 0755) || errno == EEXIST);
		*slash = '/';
	}
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fchmod(fileno(file), 0600), 0);
}

static void give_file(const char *name, uid_t uid, mode_t mode)
{
	char path[512];

	path_of(name, path, sizeof(path));
	assert_int_equal(chown(path, uid, 0), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int look_up(enum container_engine engine, struct container *container, struct reason *reason)
{
	*container = (struct container){ .engine = engine, .id = ID };
	reason->text[0] = '\0';
	return containers_look_up(dir, container, reason);
}

static void assert_refused(enum container_engine engine, int error, const char *words)
{
	struct container container;
	struct reason reason;

	assert_int_equal(look_up(engine, &container, &reason), error);
	if (!strstr(reason.text, words))
		fail_msg("no '%s' in: %s", words, reason.text);
	assert_string_equal(container.name, "");
}

static void assert_named(enum container_engine engine, const char *name, const char *image)
{
	struct container container;
	struct reason reason;
	int r = look_up(engine, &container, &reason);

	if (r)
		fail_msg("%s", reason.text);
	assert_string_equal(container.name, name);
	assert_string_equal(container.image, image);
}

#define DOCKER "/var/lib/docker/containers/" ID "/config.v2.json"
#define DOCKER_TEXT "{\"Name\":\"/web\",\"Config\":{\"Image\":\"nginx:1.25\"},\"ID\":\"" ID "\"}"

static void test_docker(void **state __attribute__((unused)))
{
	assert_refused(CONTAINER_DOCKER, -ENOENT, DOCKER);
	write_file(DOCKER, DOCKER_TEXT);
	assert_named(CONTAINER_DOCKER, "web", "nginx:1.25");
	write_file(DOCKER, "{\"Name\":\"/web\",\"Config\":{\"Im");
	assert_refused(CONTAINER_DOCKER, -EBADMSG, "is cut");
	write_file(DOCKER, "");
	assert_refused(CONTAINER_DOCKER, -EBADMSG, "is cut");
	write_file(DOCKER, "[]");
	assert_refused(CONTAINER_DOCKER, -EBADMSG, "is not the JSON");
	write_file(DOCKER, "{\"Name\":7}");
	assert_refused(CONTAINER_DOCKER, -EBADMSG, "is not the JSON");
	write_file(DOCKER, "{\"Name\":\"/web\"}");
	assert_named(CONTAINER_DOCKER, "web", "");
	if (geteuid())
		return;
	write_file(DOCKER, DOCKER_TEXT);
	give_file(DOCKER, 0, 0666);
	assert_refused(CONTAINER_DOCKER, -EPERM, "others can write to it");
	give_file(DOCKER, 1000, 0600);
	assert_refused(CONTAINER_DOCKER, -EPERM, "the user 1000");
}

#define PODMAN "/var/lib/containers/storage/overlay-containers/"

static void test_podman(void **state __attribute__((unused)))
{
	assert_refused(CONTAINER_PODMAN, -ENOENT, PODMAN);
	write_file(PODMAN "containers.json",
		   "[{\"id\":\"" ID "\",\"names\":[\"shop\",\"other\"],"
		   "\"metadata\":\"{\\\"image-name\\\":\\\"docker.io/library/php:8\\\"}\"}]");
	assert_named(CONTAINER_PODMAN, "shop", "docker.io/library/php:8");
	/* Of 'podman run --rm'. */
	write_file(PODMAN "volatile-containers.json",
		   "[{\"id\":\"" ID "\",\"names\":[\"once\"],\"metadata\":\"{cut\"}]");
	assert_named(CONTAINER_PODMAN, "once", "");
	write_file(PODMAN "volatile-containers.json", "[]");
	assert_named(CONTAINER_PODMAN, "shop", "docker.io/library/php:8");
	write_file(PODMAN "containers.json", "[{\"id\":\"0\"}, 7, {\"id\":null}]");
	assert_refused(CONTAINER_PODMAN, -ENOENT, "does not know the container 0123456789ab");
	write_file(PODMAN "containers.json", "[{\"id\":");
	assert_refused(CONTAINER_PODMAN, -EBADMSG, "is cut");
}

static void test_kubelet(void **state __attribute__((unused)))
{
	assert_refused(CONTAINER_KUBELET, -ENOENT, "/var/log/containers");
	write_file("/var/log/containers/other.log", "");
	assert_refused(CONTAINER_KUBELET, -ENOENT, "does not know the container");
	write_file("/var/log/containers/pod_shop_php-" ID ".log", "");
	assert_named(CONTAINER_KUBELET, "pod_shop_php", "");
}

static void test_lxc(void **state __attribute__((unused)))
{
	struct container container;
	struct reason reason;

	assert_true(container_from_cgroup("/lxc/101", &container));
	assert_int_equal(containers_look_up(dir, &container, &reason), 0);
	assert_string_equal(container.name, "101");
}

static int make_dir(void **state __attribute__((unused)))
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state __attribute__((unused)))
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cgroups), cmocka_unit_test(test_docker),
		cmocka_unit_test(test_podman),	cmocka_unit_test(test_kubelet),
		cmocka_unit_test(test_lxc),
	};

	return cmocka_run_group_tests_name("container", tests, make_dir, remove_dir);
}
