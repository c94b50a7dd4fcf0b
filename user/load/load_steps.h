/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The steps of a load, for load.c, which has their order and what a crash between
 * them leaves. Each returns 0, or -errno with a reason.
 */
#ifndef SMTPWARD_LOAD_STEPS_H
#define SMTPWARD_LOAD_STEPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <smtpward/abi.h>
#include <smtpward/packets.h>

#include "load/load.h"
#include "load/loader.h"
#include "load/tenants.h"
#include "pins/found.h"
#include "pins/hook.h"
#include "pins/object.h"
#include "pins/pins.h"
#include "pins/uplink_gate.h"

/* The policy's uplinks, and those of what a trial goes back to. */
#define LOAD_UPLINKS_MAX (2UL * UPLINK_NAMES_MAX)

struct load_uplink {
	struct uplink_gate gate;
	int before_fd; /* the program that the gate had; -1: the gate is this load's */
};

/* State of a load. */
struct load {
	const struct load_request *request;
	struct pins pins;
	struct found found; /* what was attached as the load began */
	struct loader *loader;
	int root_fd; /* the v2 root */
	uint64_t root_id;
	int attach_fd; /* where the hooks go */
	uint64_t attach_id;
	bool has_gate;			/* there was a map_gate, */
	uint64_t gate;			/* and what it says */
	uint64_t decides;		/* the generation that it names, if that is there; or 0 */
	uint64_t generation;		/* the new one */
	uint64_t adopted;		/* whose lasting maps it goes on with, 0: none */
	uint64_t counted;		/* whose rows of report it may go on with, 0: none */
	struct reason spoiled;		/* or why it does not, if that is another than the ABI */
	uint32_t abi;			/* of what was there before, 0 if that cannot be told */
	uint64_t left;			/* generations that wait to be drained */
	bool clock_unset;		/* and its rules end: they match nothing yet */
	bool reads_tai;			/* its programs read CLOCK_TAI */
	uint32_t host_netns;		/* 0 if no rule asks for it */
	gid_t reader;			/* the group that may read beside root; 0: none */
	int link_fds[SMTPWARD_HOOKS];	/* -1 if there is none yet */
	int before_fds[SMTPWARD_HOOKS]; /* whom the new programs hand over to; -1: nobody */
	bool made[SMTPWARD_HOOKS];	/* the link is this load's */
	struct load_uplink uplinks[LOAD_UPLINKS_MAX];
	size_t n_uplinks;
	uint64_t fallback;	       /* of a trial: what it goes back to; 0: nothing */
	uint64_t trial_ends_ns;	       /* 0: it is none */
	struct smtpward_layer layer;   /* as it will stand in the kernel */
	uint32_t fallback_parts;       /* SMTPWARD_PART_* that a trial may go back to */
	bool trial_over;	       /* what was there is one that is over */
	struct smtpward_origin origin; /* as it will stand in the kernel */
	struct tenants_merged merged;  /* cgroups that count as one, for want of better knowledge */
	struct reason absent;	       /* the uplinks that are not there */
	struct reason bridges;	       /* the uplinks whose ports can send past them */
	size_t surplus; /* devices that `uplink auto` finds, if more than can have gates; or 0 */
	struct reason unkept; /* why there is no second set of pins */
};

/*
 * load_open.c: what the load goes by, and what is there before it. Takes the lock. -EAGAIN, and
 * trial_over, where a trial is over and is to be settled first.
 */
int load_open(struct load *load, struct reason *reason);
void load_close(struct load *load);

/* load_make.c: a whole generation, pinned, filled, its tracker running; it decides nothing. */
int load_make(struct load *load, struct reason *reason);

/*
 * load_restore.c: pins again, in their directory, what is attached and not pinned there. The
 * caller holds the lock. Nothing where another policy's pins are there. What is gone meanwhile is
 * looked for again, and so found may change.
 */
int load_restore(const struct pins *pins, struct found *found, uint64_t root_id,
		 struct reason *reason);

/* Pins an object, in the directory of a generation, or of all for 0. */
int load_pin(const struct pins *pins, uint64_t generation, const char *name, int fd,
	     struct reason *reason);

/*
 * Finds the links that are attached, and whose they are, by keep_claim(); none if the caller may
 * not ask by ids. *ret_root_id: of the v2 root as it is seen here.
 */
int load_find(const struct pins *pins, struct found *ret_found, uint64_t *ret_root_id,
	      struct reason *reason);

/* The same for who has made no programs. 0 or -errno. */
int load_write_pinned_gate(const struct pins *pins, uint64_t generation);

/*
 * load_heal.c: the pins as they are to be, with the lock. -ENOENT if nothing is left of what
 * was loaded there, neither pins nor programs.
 */
int load_open_restored(const char *path, struct pins *ret_pins, struct reason *reason);

/* The links of a generation, with its programs. */
int load_heal_links(const struct pins *pins, uint64_t generation, struct reason *reason);

/* Heals links and trial of the generation that the gate names, the second set of pins, the rows. */
int load_heal_hooks(const struct pins *pins, struct reason *reason);

/*
 * load_trial.c: what a trial goes back to has nobody before it, so that it decides for itself.
 * 0 or -errno, as the next.
 */
int load_trial_prepare(const struct pins *pins, uint64_t fallback);

/* After the switch: its programs go back to those of its fallback, and to no others. */
int load_trial_arm(const struct pins *pins, uint64_t generation, uint64_t fallback);

/*
 * Behind a trial that is over, with the lock. *ret_lift: it went back to nothing, and this load is
 * still to be lifted.
 */
int load_trial_settle(const struct pins *pins, bool *ret_over, struct load_id *ret_lift,
		      struct reason *reason);

/* Takes the lock; if another load has come before, that stays. */
int load_trial_lift(const char *path, const struct load_id *id, struct reason *reason);

/* Detaches a link that was found; gone already is fine. 0 or -errno. */
int load_detach_found(const struct found_link *link);

/* The id of the map_gate of a load. */
int load_gate_id(const struct load *load, uint32_t *ret_id);

/* The one store that switches. */
int load_write_gate(const struct load *load, uint64_t generation, struct reason *reason);

/*
 * load_uplink.c: the gates on uplinks get the new programs, as the links of the hooks do; and get
 * back what they had. 0 or -errno.
 */
int load_swap_uplinks(struct load *load, struct reason *reason);
int load_take_back_uplinks(struct load *load);

/* The gates of a generation on the uplinks that are there. */
int load_heal_uplinks(const struct pins *pins, uint64_t generation,
		      const struct smtpward_layer *layer, struct reason *reason);

/* Checks that a device of each kind can get its gate of a generation when it comes. */
int load_check_uplinks(const struct pins *pins, uint64_t generation, struct reason *reason);

/* Removes, from the pin directory or its second set, the pins of gates whose device is gone. */
int load_forget_uplinks(const struct pins *pins, const struct pins *dir);

/*
 * Takes away the gates that are filters, but for those on the devices that are listed. *ret_n: how
 * many. 0 or -errno.
 */
int load_lift_filters(const struct pins *pins, const struct uplink_names *names,
		      unsigned int *ret_n);

/* load_swap.c: the links get the new programs, and the gate the new generation. */
int load_swap(struct load *load, struct reason *reason);

/* After a failure before the switch; 0 if all that was made is gone. */
int load_roll_back(struct load *load);

/* The names that people find a generation by. 0 or -errno. */
int load_name_generation(const struct pins *pins, uint64_t generation);

/* After the switch: names, the reader's rights, and what was replaced goes. */
int load_finish(struct load *load, struct reason *reason);

/*
 * load_rows.c: the count of a generation. Takes away what tenants have left that are gone, once it
 * is old or its room is needed, and counts anew what is used.
 */
int load_settle_rows(const struct pins *pins, uint64_t generation, struct reason *reason);

/*
 * Detaches and unpins, in the pin directory or in its second set, the hooks that the generation in
 * force does not have: those of another version, and of parts that its policy does not ask for.
 * Only links whose programs go by the map_gate of pins. 0 or -errno.
 */
int load_detach_unknown(const struct pins *pins, const struct pins *dir);

/* The same, but for those of another version. */
int load_detach_unasked(const struct pins *pins, const struct pins *dir);

/*
 * Makes the link of a hook and pins it, in place of a pin of a link that is dead. The
 * caller owns *ret_fd, where it asks for it.
 */
int load_link(const struct pins *pins, int hook, int program_fd, int cgroup_fd, int *ret_fd,
	      struct reason *reason);

#endif /* SMTPWARD_LOAD_STEPS_H */
