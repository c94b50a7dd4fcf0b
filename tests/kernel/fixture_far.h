/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Another machine at the other end of a cable: a network namespace behind the veth device
 * FAR_UPLINK, that listens, and the frames that come out of the cable there.
 */
#ifndef SMTPWARD_TEST_KERNEL_FIXTURE_FAR_H
#define SMTPWARD_TEST_KERNEL_FIXTURE_FAR_H

#include <net/ethernet.h>

#include "fixture.h"

#define FAR_UPLINK "wan0.7" /* a name that no pin can have */

#define FAR_OUR4 "198.18.0.1"
#define FAR_OUR6 "2001:db8:18::1"
#define FAR_THEIR4 "198.18.0.2"
#define FAR_THEIR6 "2001:db8:18::2"
#define FAR_OTHER4 "198.18.0.3" /* theirs too, and listens as well */
#define FAR_OTHER6 "2001:db8:18::3"
#define FAR_THIRD4 "198.18.0.4"
#define FAR_THIRD6 "2001:db8:18::4"

/* The source port of all that the tests send: frames are known by it and the port 25 behind it. */
#define FAR_SOURCE_PORT 0x5757

void far_setup(void); /* asserts */
void far_teardown(void);

/* fixture_setup() and fixture_teardown(), with the other machine. */
int far_group_setup(void **state);
int far_group_teardown(void **state);

/* A shell's command: its exit status, as system(3) has it. */
int sh(const char *format, ...) __attribute__((format(printf, 1, 2)));

void far_wait_gone(void); /* after far_teardown(): the kernel takes the cable away later */
void far_wait_up(void);	  /* until the cable carries packets again */

uint32_t far_uplink(void); /* its ifindex */
extern uint8_t far_our_mac[ETH_ALEN], far_their_mac[ETH_ALEN];

int far_netns(void); /* its network namespace */

/*
 * How many frames have come out of the cable since the last call of one of these: that begin a
 * connection to port 25, from any port; of ours to port 25, however they are dressed.
 */
unsigned int far_syns(void);
unsigned int far_frames(void);

#endif /* SMTPWARD_TEST_KERNEL_FIXTURE_FAR_H */
