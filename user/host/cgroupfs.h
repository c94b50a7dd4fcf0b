/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cgroup v2 hierarchy as a file system: where it is mounted, and the ids that
 * the kernel knows its directories by.
 */
#ifndef SMTPWARD_CGROUPFS_H
#define SMTPWARD_CGROUPFS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * The mount point of the v2 hierarchy's root in a text like /proc/self/mountinfo,
 * allocated. A hybrid layout has it beside the v1 controllers. Where it is mounted
 * more than once, the first mount of the hierarchy's own root, or else the first
 * mount of a part of it. -ENOENT if there is none.
 */
int cgroupfs_parse_mountinfo(FILE *mountinfo, char **ret_path);
int cgroupfs_find_root(char **ret_path);

/* Whether a text like mountinfo, or this machine, has a hierarchy of cgroup v1. */
int cgroupfs_parse_v1(FILE *mountinfo, bool *ret_there);
int cgroupfs_has_v1(bool *ret_there);

/*
 * Whether a text like /proc/1/cgroup, or this machine's, says that systemd keeps its
 * services in cgroup v1 alone: where v2 is mounted then, all of them are in its root.
 */
int cgroupfs_parse_v1_services(FILE *cgroup, bool *ret_alone);
int cgroupfs_has_v1_services(bool *ret_alone);

/* Opens a cgroup directory. -ENOTDIR, -ENOENT ...; -EMEDIUMTYPE if it is no cgroup v2. */
int cgroupfs_open(const char *path, int *ret_fd);

/*
 * The id of the hierarchy's own root, by cgroup_setup_root() in kernel/cgroup/cgroup.c: what a
 * cgroup namespace shows as its root has another.
 */
#define CGROUPFS_ROOT_ID 1

/* The v2 root, wherever it is mounted. -ENOENT if there is none. */
int cgroupfs_open_root(int *ret_fd);

/*
 * The kernel's id of the cgroup directory `name` in dir_fd ("" for dir_fd itself):
 * what bpf_get_current_cgroup_id() returns, and unique as long as the machine runs.
 */
int cgroupfs_id(int dir_fd, const char *name, uint64_t *ret_id);

/* Opens the directory of the cgroup with this id. -ESTALE if it is gone. */
int cgroupfs_open_id(int root_fd, uint64_t id, int *ret_fd);

/*
 * Whether that cgroup is there. The kernel detaches the links of one that went only a
 * little later: until then they name a cgroup that is not there.
 */
int cgroupfs_exists(int root_fd, uint64_t id, bool *ret_exists);

/* How many cgroups are below dir_fd now. */
int cgroupfs_count(int dir_fd, uint64_t *ret_count);

#endif /* SMTPWARD_CGROUPFS_H */
