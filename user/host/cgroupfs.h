/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cgroup v2 hierarchy as a file system: its mount point, and the ids that the kernel gives its
 * directories.
 */
#ifndef SMTPWARD_CGROUPFS_H
#define SMTPWARD_CGROUPFS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * The mount point of the v2 hierarchy's root in a text like /proc/self/mountinfo, allocated. A
 * hybrid layout has it beside the v1 controllers. If v2 has several mounts, the first mount of the
 * hierarchy's own root counts, or else the first mount of a part of the hierarchy. -ENOENT if
 * there is none.
 */
int cgroupfs_parse_mountinfo(FILE *mountinfo, char **ret_path);
int cgroupfs_find_root(char **ret_path);

/* Whether a text like mountinfo, or this machine, has a hierarchy of cgroup v1. */
int cgroupfs_parse_v1(FILE *mountinfo, bool *ret_there);
int cgroupfs_has_v1(bool *ret_there);

/*
 * Whether a text like /proc/1/cgroup, or this machine's, says that systemd keeps its services in
 * cgroup v1 alone: if v2 is mounted then, all services are in the root of v2.
 */
int cgroupfs_parse_v1_services(FILE *cgroup, bool *ret_alone);
int cgroupfs_has_v1_services(bool *ret_alone);

/* Opens a cgroup directory. -ENOTDIR, -ENOENT ...; -EMEDIUMTYPE if it is no cgroup v2. */
int cgroupfs_open(const char *path, int *ret_fd);

/*
 * The id of the hierarchy's own root, by cgroup_setup_root() in kernel/cgroup/cgroup.c. The root
 * that a cgroup namespace shows has another id.
 */
#define CGROUPFS_ROOT_ID 1

/* Opens the v2 root at its mount point. -ENOENT if v2 is not mounted. */
int cgroupfs_open_root(int *ret_fd);

/*
 * The kernel's id of the cgroup directory `name` in dir_fd ("" for dir_fd itself): the id that
 * bpf_get_current_cgroup_id() returns, unique as long as the machine runs.
 */
int cgroupfs_id(int dir_fd, const char *name, uint64_t *ret_id);

/* Opens the directory of the cgroup with this id. -ESTALE if it is gone. */
int cgroupfs_open_id(int root_fd, uint64_t id, int *ret_fd);

/*
 * Whether the cgroup with this id is there. The kernel detaches the links of a removed cgroup a
 * little later: until then the links name a cgroup that is gone.
 */
int cgroupfs_exists(int root_fd, uint64_t id, bool *ret_exists);

/* How many cgroups are below dir_fd now. */
int cgroupfs_count(int dir_fd, uint64_t *ret_count);

#endif /* SMTPWARD_CGROUPFS_H */
