// SPDX-License-Identifier: GPL-2.0-only
/* The BPF object; see loader.h. */
#include "load/loader.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/feature.h"
#include "host/refusal.h"
#include "pins/object.h"
#include "smtpward.skel.h"

const char *const loader_lasting_maps[] = {
	"map_events", "map_callers",   "map_callers_rest", "map_tenants", "map_reported",
	"map_note",   "map_note_root", "map_counters",	   "map_local",
};
const unsigned int loader_n_lasting_maps = ARRAY_SIZE(loader_lasting_maps);

const char *const loader_packet_maps[] = { "map_marks", "map_passes", "map_layers",
					   "map_pkt_counts", "map_guest_slots" };
const unsigned int loader_n_packet_maps = ARRAY_SIZE(loader_packet_maps);

const char *const loader_row_maps[] = { "map_rows", "map_row_tenants", "map_row_names",
					"map_row_lasts", "map_rows_used" };
const unsigned int loader_n_row_maps = ARRAY_SIZE(loader_row_maps);

struct loader {
	struct smtpward_bpf *skeleton;
	struct bpf_map *lasting[ARRAY_SIZE(loader_lasting_maps)];
	struct bpf_map *rows[ARRAY_SIZE(loader_row_maps)];
	struct bpf_map *packets[ARRAY_SIZE(loader_packet_maps)];
	struct bpf_program *programs[SMTPWARD_HOOKS];
	struct bpf_map *before[SMTPWARD_HOOKS];
	bool on_trial;
	uint32_t programs_of; /* SMTPWARD_PART_* */
};

static void loader_set_packets(struct smtpward_bpf *skeleton, const struct ruleset *ruleset,
			       const struct loader_options *options)
{
	typeof(skeleton->rodata) constants = skeleton->rodata;

	constants->layer_parts = options->parts;
	constants->fallback_parts = options->fallback_parts;
	constants->first_to_rule = ruleset->first_to;
	memcpy(constants->guest_rules, ruleset->guest_rules, sizeof(constants->guest_rules));
#define ANY(name, word, kind)                                  \
	constants->any_##name = ruleset->any[SMTPWARD_##name]; \
	constants->asks_guest[SMTPWARD_##name - SMTPWARD_GUEST] = ruleset->asks[SMTPWARD_##name];
	SMTPWARD_GUEST_CONDITIONS(ANY)
#undef ANY
}

static void loader_set_constants(struct smtpward_bpf *skeleton, const struct ruleset *ruleset,
				 const struct loader_options *options)
{
	typeof(skeleton->rodata) constants = skeleton->rodata;
	typeof(skeleton->rodata_until) tables = skeleton->rodata_until;

	constants->generation = options->generation;
	constants->generation_for_good = options->trial_ends_ns ? SMTPWARD_GENERATION_NONE
								: options->generation;
	constants->trial_ends_ns = options->trial_ends_ns;
	constants->trial_falls_back = options->trial_falls_back;
	constants->root_cgroup = options->root_cgroup;
	constants->ports_count = ruleset->n_ports;
	memcpy(constants->ports, ruleset->ports, sizeof(constants->ports));
	memcpy(constants->port_rules, ruleset->port_rules, sizeof(constants->port_rules));
#define ANY(name, word, kind) constants->any_##name = ruleset->any[SMTPWARD_##name];
	SMTPWARD_CONDITIONS(ANY)
#undef ANY
	constants->any_cgroup = ruleset->any_cgroup;
	for (int condition = 0; condition < SMTPWARD_CONNECT_CONDITIONS_N; condition++)
		constants->asks[condition] = ruleset->asks[condition];
	constants->asks_cgroup = ruleset->asks_cgroup;
	constants->asks_star = ruleset->asks_star;
	if (ruleset->asks_local)
		constants->asks[SMTPWARD_TO] = SMTPWARD_ASKS_LOCAL;
	constants->local_rules = ruleset->local;
	constants->host_netns = options->host_netns;
	constants->rule_words = ruleset->rule_words;
	constants->rule_words_for_good = ruleset->asks_until ? SMTPWARD_WORDS_NONE
							     : ruleset->rule_words;
	memcpy(constants->verdicts, ruleset->verdicts, sizeof(constants->verdicts));
	constants->denying = ruleset->denying;
	for (uint32_t i = 0; i < ruleset->n_rules; i++)
		constants->rule_hashes[i] = ruleset->hashes[i];
	constants->reads_tai = options->reads_tai;
	constants->ends_count = ruleset->n_ends;
	memcpy(tables->ends, ruleset->ends, sizeof(tables->ends));
	memcpy(tables->alive, ruleset->alive, sizeof(tables->alive));
	constants->unit_segments = ruleset->unit_segments;
	constants->last_segments = ruleset->last_segments;
	constants->segment_words = ruleset->segment_words;
	constants->audit_mode = ruleset->audit_mode;
	constants->reject = ruleset->reject == EPERM ? 0 : ruleset->reject;
	constants->log_verdicts = ruleset->log;
	constants->args_shown = ruleset->args;
	constants->limit_interval_ns = ruleset->limit_interval_ns;
	constants->limit_window_ns = ruleset->limit_window_ns;
	constants->tenant_interval_ns = ruleset->tenant_interval_ns;
	constants->tenant_window_ns = ruleset->tenant_window_ns;
	constants->typed_task = options->typed_task;
	loader_set_packets(skeleton, ruleset, options);
}

/* A map has at least one entry. */
static int loader_set_size(struct bpf_map *map, size_t entries)
{
	return bpf_map__set_max_entries(map, entries ? entries : 1);
}

static int loader_set_sizes(struct smtpward_bpf *skeleton, const struct ruleset *ruleset,
			    const struct loader_options *options)
{
	const struct {
		struct bpf_map *map;
		size_t entries;
	} sizes[] = { { skeleton->maps.map_events, options->events_size },
		      { skeleton->maps.map_callers, options->callers_max },
		      { skeleton->maps.map_tenants, options->tenants_max },
		      { skeleton->maps.map_reported,
			(size_t)options->callers_max + options->tenants_max + 1 },
		      { skeleton->maps.map_cgroups, options->cgroups_max },
		      { skeleton->maps.map_inherited, options->cgroups_max },
		      { skeleton->maps.map_attempts,
			ruleset->n_ports * (size_t)SMTPWARD_ATTEMPTS_A_PORT },
		      { skeleton->maps.map_names, ruleset->n_names },
		      { skeleton->maps.map_prefixes, ruleset->n_prefixes },
		      { skeleton->maps.map_suffixes, ruleset->n_suffixes },
		      { skeleton->maps.map_paths, ruleset->n_segments },
		      { skeleton->maps.map_addresses, ruleset->n_addresses },
		      { skeleton->maps.map_rules, ruleset->n_rules },
		      { skeleton->maps.map_guests, ruleset->n_guests },
		      { skeleton->maps.map_sources, ruleset->n_sources },
		      { skeleton->maps.map_macs, ruleset->n_macs },
		      { skeleton->maps.map_vlans, ruleset->vlans.n_items },
#define SIZE(name, map, member) { skeleton->maps.map, ruleset->ids[SMTPWARD_##name].n_items },
		      SMTPWARD_ID_CONDITIONS(SIZE)
#undef SIZE
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int r = loader_set_size(sizes[i].map, sizes[i].entries);

		if (r)
			return r;
	}
	return 0;
}

/* Leaves out what is of a part of the second layer without programs. */
static int loader_set_layer(const struct loader *loader, uint32_t programs)
{
	const struct smtpward_bpf *skeleton = loader->skeleton;
	const struct {
		struct bpf_map *map;
		uint32_t parts;
	} maps[] = {
		{ skeleton->maps.map_marks, SMTPWARD_PART_PASS },
		{ skeleton->maps.map_passes, SMTPWARD_PART_PASS | SMTPWARD_PART_GATE },
		{ skeleton->maps.map_layers, UINT32_MAX },
		{ skeleton->maps.map_layer, UINT32_MAX },
		{ skeleton->maps.map_pkt_counts, UINT32_MAX },
		{ skeleton->maps.map_repeats, SMTPWARD_PART_PASS | SMTPWARD_PART_GATE },
		{ skeleton->maps.map_guest_slots, SMTPWARD_PART_GATE },
		{ skeleton->maps.map_guests, SMTPWARD_PART_GATE },
		{ skeleton->maps.map_sources, SMTPWARD_PART_GATE },
		{ skeleton->maps.map_macs, SMTPWARD_PART_GATE },
		{ skeleton->maps.map_vlans, SMTPWARD_PART_GATE },
		{ skeleton->maps.map_before_eth, SMTPWARD_PART_GATE },
		{ skeleton->maps.map_before_bare, SMTPWARD_PART_GATE },
	};
	const bool gate = programs & SMTPWARD_PART_GATE;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(maps) && !r; i++)
		r = bpf_map__set_autocreate(maps[i].map, maps[i].parts & programs);
	for (int hook = 0; hook < SMTPWARD_HOOKS && !r; hook++) {
		const bool has = hook_is_of(hook, programs);

		r = bpf_program__set_autoload(loader->programs[hook], has);
		if (!r)
			r = bpf_map__set_autocreate(loader->before[hook], has);
	}
	if (!r)
		r = bpf_program__set_autoload(skeleton->progs.smtpward_up_eth, gate);
	return r ? r : bpf_program__set_autoload(skeleton->progs.smtpward_up_bare, gate);
}

/* GRND_INSECURE: while a machine boots, to wait for better numbers may take minutes. */
static int loader_set_seed(struct smtpward_bpf *skeleton)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_INSECURE) != sizeof(seed))
		return -errno;
	skeleton->rodata->repeats_seed = seed;
	return 0;
}

/* Leaves out the parts that the policy does not need. */
static int loader_set_needed(const struct loader *loader, const struct ruleset *ruleset,
			     const struct loader_options *options)
{
	const struct smtpward_bpf *skeleton = loader->skeleton;
	int r = bpf_map__set_autocreate(skeleton->maps.rodata_until, ruleset->asks_until);

	if (r)
		return r;
	r = loader_set_layer(loader, loader->programs_of);
	if (!r && loader->programs_of)
		r = loader_set_seed(loader->skeleton);
	return r ? r : bpf_program__set_autoload(skeleton->progs.smtpward_hooks, options->reader);
}

/* libbpf renames a reused map to its name in the kernel, which may be empty. */
static const char *loader_map_name(const struct loader *loader, const struct bpf_map *map)
{
	if (map == loader->skeleton->maps.map_gate)
		return "map_gate";
	for (unsigned int i = 0; i < loader_n_lasting_maps; i++)
		if (map == loader->lasting[i])
			return loader_lasting_maps[i];
	for (unsigned int i = 0; i < loader_n_row_maps; i++)
		if (map == loader->rows[i])
			return loader_row_maps[i];
	for (unsigned int i = 0; i < loader_n_packet_maps; i++)
		if (map == loader->packets[i])
			return loader_packet_maps[i];
	return bpf_map__name(map);
}

static struct bpf_map *loader_find_map(const struct loader *loader, const char *name)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, loader->skeleton->obj)
		if (!strcmp(loader_map_name(loader, map), name))
			return map;
	return NULL;
}

/* Finds the program and the map of each hook, by the table of hooks. */
static int loader_find_hooks(struct loader *loader, struct reason *reason)
{
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		const struct hook_info *info = &hook_infos[hook];

		loader->programs[hook] =
			bpf_object__find_program_by_name(loader->skeleton->obj, info->program);
		loader->before[hook] =
			bpf_object__find_map_by_name(loader->skeleton->obj, info->before_map);
		if (!loader->programs[hook] || !loader->before[hook])
			return reason_set(reason, -ENOENT,
					  "the BPF object has no %s or %s, for the hook %s",
					  info->program, info->before_map, info->name);
	}
	return 0;
}

int loader_open(const struct ruleset *ruleset, const struct loader_options *options,
		struct loader **ret_loader, struct reason *reason)
{
	_cleanup_(loader_freep) struct loader *loader = calloc(1, sizeof(*loader));
	int r;

	assert(options->generation);
	if (!loader)
		return reason_errno(reason, -ENOMEM, "cannot open the BPF object");
	loader->on_trial = options->trial_ends_ns != 0;
	loader->programs_of = options->parts | options->fallback_parts;
	loader->skeleton = smtpward_bpf__open();
	if (!loader->skeleton)
		return reason_errno(reason, -errno, "cannot open the BPF object");
	for (unsigned int i = 0; i < loader_n_lasting_maps; i++)
		loader->lasting[i] =
			bpf_object__find_map_by_name(loader->skeleton->obj, loader_lasting_maps[i]);
	for (unsigned int i = 0; i < loader_n_row_maps; i++)
		loader->rows[i] =
			bpf_object__find_map_by_name(loader->skeleton->obj, loader_row_maps[i]);
	for (unsigned int i = 0; i < loader_n_packet_maps; i++)
		loader->packets[i] =
			bpf_object__find_map_by_name(loader->skeleton->obj, loader_packet_maps[i]);
	r = loader_find_hooks(loader, reason);
	if (r)
		return r;
	loader_set_constants(loader->skeleton, ruleset, options);
	r = loader_set_sizes(loader->skeleton, ruleset, options);
	if (!r)
		r = loader_set_needed(loader, ruleset, options);
	if (r)
		return reason_errno(reason, r, "cannot prepare the BPF object");
	*ret_loader = TAKE_PTR(loader);
	return 0;
}

int loader_fits_map(const struct loader *loader, const char *name, int fd)
{
	const struct bpf_map *map = loader_find_map(loader, name);
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);

	if (!map || !bpf_map__autocreate(map))
		return -ENOENT;
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map))
		return -EINVAL;
	return 0;
}

int loader_reuse_map(struct loader *loader, const char *name, int fd)
{
	int r = loader_fits_map(loader, name, fd);

	return r ? r : bpf_map__reuse_fd(loader_find_map(loader, name), fd);
}

/* Returns the words for a feature that a load needs and the kernel lacks; NULL if there is none. */
static const char *loader_find_lacking(void)
{
	static const enum feature needed[] = { FEATURE_MEMORY, FEATURE_RINGBUF, FEATURE_TRACKER };

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!feature_ask(needed[i]))
			return feature_infos[needed[i]].lacking;
	return NULL;
}

/* Every map to each hook's program: who has one of them by its id has all maps. */
static int loader_bind_maps(const struct loader *loader, const struct bpf_program *program)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, loader->skeleton->obj) {
		if (bpf_map__is_internal(map) || !bpf_map__autocreate(map))
			continue;
		if (bpf_prog_bind_map(bpf_program__fd(program), bpf_map__fd(map), NULL))
			return -errno;
	}
	return 0;
}

int loader_load(struct loader *loader, struct reason *reason)
{
	const char *lacking;
	int r;

	/* map_events may be an earlier generation's, with a size of its own. */
	loader->skeleton->rodata->events_size =
		bpf_map__max_entries(loader->skeleton->maps.map_events);
	/* Not the skeleton's own: in libbpf 1.1 that maps a map, too, which is not to be made. */
	r = bpf_object__load(loader->skeleton->obj);
	for (int hook = 0; !r && hook < SMTPWARD_HOOKS; hook++) {
		if (loader_hook(loader, hook) < 0)
			continue;
		r = loader_bind_maps(loader, loader->programs[hook]);
		if (r)
			return reason_errno(reason, r, "cannot bind the maps to the programs");
	}
	for (int kind = 0; !r && kind < UPLINK_KINDS; kind++) {
		if (loader_gate(loader, (enum uplink_kind)kind) < 0)
			continue;
		r = loader_bind_maps(loader,
				     bpf_object__find_program_by_name(loader->skeleton->obj,
								      uplink_infos[kind].program));
		if (r)
			return reason_errno(reason, r, "cannot bind the maps to the programs");
	}
	if (!r)
		return 0;
	if (refusal_explains(r, reason))
		return r;
	lacking = loader_find_lacking();
	if (lacking)
		return reason_set(reason, r, "%s", lacking);
	return reason_errno(reason, r, "the kernel refused the BPF programs (-v shows its words)");
}

int loader_map(const struct loader *loader, const char *name)
{
	const struct bpf_map *map = loader_find_map(loader, name);

	return map && bpf_map__autocreate(map) ? bpf_map__fd(map) : -ENOENT;
}

int loader_hook(const struct loader *loader, enum smtpward_hook hook)
{
	assert((unsigned int)hook < SMTPWARD_HOOKS);
	if (!hook_is_of(hook, loader->programs_of))
		return -ENOENT;
	return bpf_program__fd(loader->programs[hook]);
}

int loader_gate(const struct loader *loader, enum uplink_kind kind)
{
	const struct bpf_program *program;

	assert((unsigned int)kind < UPLINK_KINDS);
	if (!(loader->programs_of & SMTPWARD_PART_GATE))
		return -ENOENT;
	program =
		bpf_object__find_program_by_name(loader->skeleton->obj, uplink_infos[kind].program);
	return program ? bpf_program__fd(program) : -ENOENT;
}

int loader_before_map(const struct loader *loader, enum smtpward_hook hook)
{
	assert((unsigned int)hook < SMTPWARD_HOOKS);
	return bpf_map__fd(loader->before[hook]);
}

/* Whether the map belongs to no one generation. */
static bool loader_is_lasting(const struct loader *loader, const struct bpf_map *map)
{
	for (unsigned int i = 0; i < loader_n_lasting_maps; i++)
		if (map == loader->lasting[i])
			return true;
	for (unsigned int i = 0; i < loader_n_row_maps; i++)
		if (map == loader->rows[i])
			return true;
	for (unsigned int i = 0; i < loader_n_packet_maps; i++)
		if (map == loader->packets[i])
			return true;
	return map == loader->skeleton->maps.map_gate;
}

int loader_each_object(const struct loader *loader,
		       int (*object)(void *userdata, const char *name, int fd), void *userdata)
{
	struct bpf_map *map;
	int r;

	bpf_object__for_each_map(map, loader->skeleton->obj) {
		if (bpf_map__is_internal(map) || !bpf_map__autocreate(map) ||
		    map == loader->skeleton->maps.map_gate)
			continue;
		r = object(userdata, loader_map_name(loader, map), bpf_map__fd(map));
		if (r)
			return r;
	}
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		if (loader_hook(loader, hook) < 0)
			continue;
		r = object(userdata, hook_infos[hook].program_pin, loader_hook(loader, hook));
		if (r)
			return r;
	}
	for (int kind = 0; kind < UPLINK_KINDS; kind++) {
		const int fd = loader_gate(loader, (enum uplink_kind)kind);

		r = fd < 0 ? 0 : object(userdata, uplink_infos[kind].program_pin, fd);
		if (r)
			return r;
	}
	return 0;
}

static bool loader_stays_open(const struct loader *loader, const struct bpf_map *map)
{
	return bpf_map__is_internal(map) || loader_is_lasting(loader, map) ||
	       bpf_map__type(map) == BPF_MAP_TYPE_PROG_ARRAY ||
	       map == loader->skeleton->maps.map_clock ||
	       (map == loader->skeleton->maps.map_trial && loader->on_trial);
}

int loader_freeze_maps(const struct loader *loader)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, loader->skeleton->obj) {
		if (loader_stays_open(loader, map) || !bpf_map__autocreate(map))
			continue;
		if (bpf_map_freeze(bpf_map__fd(map)))
			return -errno;
	}
	return 0;
}

static int loader_attach_tracepoint(const struct bpf_program *program)
{
	int fd = bpf_raw_tracepoint_open(NULL, bpf_program__fd(program));

	return fd < 0 ? -errno : fd;
}

int loader_attach_tracker(const struct loader *loader, int *ret_mkdir, int *ret_rmdir)
{
	_cleanup_close_ int removed = -1;
	int made;

	/* rmdir first: what mkdir adds must not outlive its cgroup. */
	removed = loader_attach_tracepoint(loader->skeleton->progs.smtpward_rmdir);
	if (removed < 0)
		return removed;
	made = loader_attach_tracepoint(loader->skeleton->progs.smtpward_mkdir);
	if (made < 0)
		return made;
	*ret_mkdir = made;
	*ret_rmdir = TAKE_FD(removed);
	return 0;
}

int loader_describe_hooks(const struct loader *loader, uint64_t cgroup_id)
{
	struct smtpward_hooks hooks = { .cgroup_id = cgroup_id };
	const uint32_t zero = 0;

	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		int r;

		if (loader_hook(loader, hook) < 0)
			continue;
		r = object_program_id(loader_hook(loader, hook), &hooks.program_ids[hook]);

		if (r)
			return r;
	}
	return bpf_map_update_elem(loader_map(loader, "map_hooks"), &zero, &hooks, BPF_ANY);
}

int loader_attach_iterator(const struct loader *loader, int *ret_fd)
{
	int program = bpf_program__fd(loader->skeleton->progs.smtpward_hooks);
	int fd;

	if (program < 0)
		return -ENOENT;
	fd = bpf_link_create(program, 0, BPF_TRACE_ITER, NULL);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

void loader_free(struct loader *loader)
{
	if (!loader)
		return;
	smtpward_bpf__destroy(loader->skeleton);
	free(loader);
}

void loader_freep(struct loader **loader)
{
	loader_free(*loader);
}
