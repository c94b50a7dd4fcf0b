/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Uplinks, and the names of what holds them: the programs of gates, and their pins. uplink_gate.h
 * has the gates themselves.
 */
#ifndef SMTPWARD_UPLINK_H
#define SMTPWARD_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smtpward/packets.h>

struct pins;

/* The programs of gates: for devices with Ethernet frames, and for those without. */
enum uplink_kind {
	UPLINK_ETH,
	UPLINK_BARE,
	UPLINK_KINDS,
};

struct uplink_info {
	const char *program;	 /* in the BPF object */
	const char *program_pin; /* in a generation's directory */
	const char *before_map;
};

extern const struct uplink_info uplink_infos[UPLINK_KINDS];

/* A pin link_uplink_IFINDEX each: bpffs takes no dots, which a name of a device may have. */
#define UPLINK_PIN_SIZE 32
void uplink_pin_name(uint32_t ifindex, char ret_name[static UPLINK_PIN_SIZE]);

/* The device that a pin with this name is for; 0 for another name. */
uint32_t uplink_of_pin(const char *name);

/* Finds a device of this process's network namespace. -ENODEV if there is none. 0 or -errno. */
int uplink_find(const char *name, uint32_t *ret_ifindex, enum uplink_kind *ret_kind);

/* Names of devices, each once. The first SMTPWARD_UPLINKS_MAX are to have gates. */
#define UPLINK_NAMES_MAX (2UL * SMTPWARD_UPLINKS_MAX)

struct uplink_names {
	size_t n;
	size_t all; /* with those that have no room here */
	char text[UPLINK_NAMES_MAX][SMTPWARD_DEVICE_SIZE];
};

/*
 * Lists the devices that a policy holds: those of its layer, and with `uplink auto` behind them
 * what is an uplink now and was none at the load. 0 or -errno: too many are no error.
 */
int uplink_list(const struct smtpward_layer *layer, struct uplink_names *ret_names);

/* How many of the listed devices, from the first on, are to have gates. */
size_t uplink_count_gates(const struct uplink_names *names);

/* Whether the device with this number is listed; one that is not there is not. */
bool uplink_is_listed(const struct uplink_names *names, uint32_t ifindex);

#endif /* SMTPWARD_UPLINK_H */
