/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The BPF object: opened with a policy's constants and sizes, loaded, filled and
 * attached. The one place that sees the skeleton.
 */
#ifndef SMTPWARD_LOADER_H
#define SMTPWARD_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"
#include "pins/hook.h"
#include "pins/uplink.h"
#include "ruleset/ruleset.h"

struct loader;

struct loader_options {
	uint64_t generation;
	uint64_t root_cgroup;	 /* id of the v2 root */
	uint32_t host_netns;	 /* inode number of the host's network namespace; 0: not needed */
	uint32_t events_size;	 /* bytes, a power of two and a multiple of the page size */
	uint32_t callers_max;	 /* entries of map_callers */
	uint32_t tenants_max;	 /* entries of map_tenants */
	uint32_t cgroups_max;	 /* entries of map_cgroups, and of map_inherited */
	uint64_t trial_ends_ns;	 /* of trial.h's clock; 0: it is no trial */
	bool trial_falls_back;	 /* on the programs in loader_before_map(), or on nothing */
	bool typed_task;	 /* the kernel has FEATURE_TASK */
	bool reads_tai;		 /* the kernel has FEATURE_TAI */
	uint32_t parts;		 /* SMTPWARD_PART_* that the policy asks for, */
	uint32_t fallback_parts; /* and that a trial may go back to */
	bool reader;		 /* somebody who is not root reads: iter_hooks is for them */
};

/*
 * The maps that last from policy to policy of one ABI, by the names they are pinned
 * under: what is recorded, and how far it was read; the local addresses. map_gate lasts
 * for ever.
 */
extern const char *const loader_lasting_maps[];
extern const unsigned int loader_n_lasting_maps;

/* The maps of smtpward/packets.h that last in the same way, among policies that have them. */
extern const char *const loader_packet_maps[];
extern const unsigned int loader_n_packet_maps;

/* The maps of smtpward/rows.h, which last from version to version too. */
extern const char *const loader_row_maps[];
extern const unsigned int loader_n_row_maps;

int loader_open(const struct ruleset *ruleset, const struct loader_options *options,
		struct loader **ret_loader, struct reason *reason);

/* Whether this map can be gone on with: -EINVAL if it is of another shape. */
int loader_fits_map(const struct loader *loader, const char *name, int fd);

/* Before loading: go on with this map. -EINVAL as above. */
int loader_reuse_map(struct loader *loader, const char *name, int fd);

int loader_load(struct loader *loader, struct reason *reason);

/* Descriptors stay the loader's; -ENOENT if the policy does without. */
int loader_map(const struct loader *loader, const char *name);
/* -ENOENT if the generation has no program for the hook. */
int loader_hook(const struct loader *loader, enum smtpward_hook hook);

/* The program of the gates on uplinks of a kind. -ENOENT if the generation has none. */
int loader_gate(const struct loader *loader, enum uplink_kind kind);

/* Returns the map in which the hook's program looks for the program that decided before. */
int loader_before_map(const struct loader *loader, enum smtpward_hook hook);

/* Calls back for every map but map_gate and every program, in no order. */
int loader_each_object(const struct loader *loader,
		       int (*object)(void *userdata, const char *name, int fd), void *userdata);

/*
 * Forbids user space to change the policy's maps from here on, other programs' user
 * space too; the tracker still can, map_clock goes with the clock, and map_trial keeps what is on
 * trial. To be called when all of them are filled.
 */
int loader_freeze_maps(const struct loader *loader);

/* Starts the tracker. The links are the caller's. */
int loader_attach_tracker(const struct loader *loader, int *ret_mkdir, int *ret_rmdir);

/* Writes the programs of the hooks and their cgroup into map_hooks, for iter_hooks. */
int loader_describe_hooks(const struct loader *loader, uint64_t cgroup_id);

/* Makes iter_hooks. The link is the caller's. -ENOENT if there is no reader. */
int loader_attach_iterator(const struct loader *loader, int *ret_fd);

void loader_free(struct loader *loader);
void loader_freep(struct loader **loader);

#endif /* SMTPWARD_LOADER_H */
