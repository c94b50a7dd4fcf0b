// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uplinks as they come and go: made, renamed, replugged, moved, damaged; what others have on them;
 * every kind of device that this kernel has; hosts that forward. A frame of a packet socket tells
 * whether the gate holds, and status whether it says so.
 */
#include "../kernel/fixture_gate.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "../kernel/fixture_trial.h"
#include "base/macro.h"

#define MAIL "mail.service"
#define WEB "web.service"

#define LAYER "packets on\nuplink " FAR_UPLINK "\n"

#define RENAMED "lan0"

static char file[128];

__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...)
{
	char command[PATH_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command))
		fail_msg("failed: %s", command);
}

static int load(const char *option, const char *layer)
{
	FILE *out;

	if (option && !strcmp(option, "--heal"))
		return smtpward("load", option, "--pins", fixture.pins, NULL);
	snprintf(file, sizeof(file), "%s/uplinks.conf", fixture.dir);
	cgroup_make(MAIL);
	cgroup_make(WEB);
	if (layer) {
		out = fopen(file, "we");
		assert_non_null(out);
		fprintf(out, "%s" REFUSE_WEB, layer);
		assert_int_equal(fclose(out), 0);
	}
	return smtpward("load", "-c", file, "--cgroup", fixture.attached, "--pins", fixture.pins,
			option, NULL);
}

static void load_well(const char *layer)
{
	if (load(NULL, layer))
		fail_msg("load: status %d: %s", run.status, run.err);
}

/* As the timer and udev's rule do. */
static void heal(void)
{
	if (load("--heal", NULL))
		fail_msg("load --heal: status %d: %s", run.status, run.err);
}

static void assert_status(int expected, const char *words)
{
	int r = smtpward("status", "--pins", fixture.pins, NULL);

	if (r != expected || !strstr(run.out, words))
		fail_msg("status %d without '%s': %s", r, words, run.out);
}

static void assert_held(bool held)
{
	gate_assert_held(WEB, held);
}

static uint64_t generation(void)
{
	json_t *status = status_json();
	uint64_t number = (uint64_t)json_integer_value(
		json_object_get(json_object_get(status, "policy"), "generation"));

	json_decref(status);
	return number;
}

/* Healed without a file, and without another generation. */
static void assert_heals(void)
{
	const uint64_t before = generation();

	assert_held(false);
	assert_status(DEGRADED, FAR_UPLINK ": open");
	heal();
	assert_held(true);
	assert_status(DONE, FAR_UPLINK ": in force");
	assert_int_equal(generation(), before);
	assert_true(before > 0);
}

static void test_taken_away(void **state)
{
	assert_int_equal(load("--heal", NULL), NO);
	assert_non_null(strstr(run.err, "nothing is loaded"));
	load_well(LAYER);
	gate_take_away();
	assert_heals();
	if (!gate_is_link()) {
		gate_remove_qdisc();
		assert_heals();
	}
	gate_take_away();
	assert_int_equal(load("--boot", NULL), 0); /* the service */
	assert_held(true);
	policy_unload();
	assert_held(false);
	/* Somebody has left the qdisc: from then on it is theirs. */
	if (!gate_is_link())
		gate_remove_qdisc();
}

/* The qdisc goes with the gate if the load made it, and nobody else uses it. */
static void test_qdisc(void **state)
{
	if (gate_is_link()) {
		load_well(LAYER);
		assert_false(gate_has_qdisc());
		return;
	}
	load_well(LAYER);
	assert_true(gate_has_qdisc());
	policy_unload();
	assert_false(gate_has_qdisc());

	gate_make_qdisc();
	load_well(LAYER);
	assert_held(true);
	policy_unload();
	assert_true(gate_has_qdisc());
	gate_remove_qdisc();

	load_well(LAYER);
	gate_let_past();
	load_well("");
	assert_true(gate_has_qdisc());
	gate_let_past_no_more();
	gate_remove_qdisc();
	assert_held(false);
}

/* The older qdisc in its place sees no leaving packet. */
static void test_older_qdisc(void **state)
{
	if (gate_is_link())
		return;
	gate_make_older_qdisc();
	assert_int_equal(load(NULL, LAYER), FAILED);
	assert_non_null(strstr(run.err, "somebody's qdisc 'ingress' is in the place of clsact"));
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), NO);
	gate_remove_older_qdisc();
	load_well(LAYER);
	assert_held(true);
}

static void test_others_first(void **state)
{
	load_well(LAYER);
	gate_let_past();
	assert_held(false);
	assert_status(DEGRADED, "another program or filter sees the packets of an uplink before");
	assert_status(DEGRADED, FAR_UPLINK ": in force, behind");
	gate_let_past_no_more();
	assert_held(true);
	assert_status(DONE, FAR_UPLINK ": in force\n");

	/* One that was there before comes after. */
	policy_unload();
	if (!gate_is_link())
		gate_make_qdisc();
	gate_let_past();
	load_well(LAYER);
	assert_held(true);
	assert_status(DONE, FAR_UPLINK ": in force\n");
	gate_let_past_no_more();
	policy_unload();
	if (!gate_is_link())
		gate_remove_qdisc();
}

static void remove_all_pins(void)
{
	shell("rm -rf %s; find /run/smtpward/keep -mindepth 1 -maxdepth 1 -type d "
	      "-exec rm -rf {} +",
	      fixture.pins);
}

#define KEPT "/run/smtpward/keep"

/* Of what refuses all the same, pins are gone: status says so, and a heal puts them back. */
static void assert_repins(const char *trouble)
{
	const uint64_t before = generation();

	assert_held(true);
	assert_status(DEGRADED, trouble);
	assert_status(DEGRADED, FAR_UPLINK ": in force\n");
	assert_null(strstr(run.out, "unseen"));
	heal();
	assert_held(true);
	assert_status(DONE, FAR_UPLINK ": in force\n");
	assert_int_equal(generation(), before);
}

static void test_pins_removed(void **state)
{
	load_well(LAYER);
	if (gate_is_link()) {
		shell("rm %s/%s", fixture.pins, gate_pin());
		assert_repins("not all that is attached is pinned");
		assert_true(gate_is_there());
		shell("rm $(find " KEPT " -name %s)", gate_pin());
		assert_repins("there is no second set of pins");
		shell("rm %s/%s", fixture.pins, gate_pin());
		load_well(LAYER);
		assert_held(true);
		assert_status(DONE, FAR_UPLINK ": in force\n");
	}
	shell("rm %s/generation-*/prog_up_*", fixture.pins);
	assert_repins("not all that is attached is pinned");
	shell("rm -r %s", fixture.pins);
	assert_repins("not all that is attached is pinned");
	/* A device of the other kind gets its gate, too. */
	assert_int_equal(sh("ls %s/generation-*/prog_up_bare >/dev/null", fixture.pins), 0);
}

/* A program that nothing holds is gone: a heal says so, and the service loads it again. */
static void test_program_gone(void **state)
{
	load_well(LAYER);
	shell("rm %s/generation-*/prog_up_bare $(find " KEPT " -name prog_up_bare)", fixture.pins);
	assert_held(true);
	assert_status(DEGRADED, FAR_UPLINK ": in force\n");
	assert_int_equal(load("--heal", NULL), FAILED);
	assert_non_null(
		strstr(run.err, "prog_up_bare, a program of the gates on uplinks, is gone"));
	assert_non_null(strstr(run.err, "'smtpward load --boot"));
	assert_int_equal(load("--boot", NULL), 0);
	assert_held(true);
	assert_status(DONE, FAR_UPLINK ": in force\n");
}

/* Without the programs on the hooks nobody has a pass: no filter may stay behind. */
static void test_lone_filter(void **state)
{
	load_well(LAYER);
	if (gate_is_link())
		gate_make_filter();
	remove_all_pins();
	assert_held(true);
	assert_status(NO, "not enforcing: nothing is loaded, but a gate is left on " FAR_UPLINK
			  ", and without mode audit it refuses every connection to a guarded port: "
			  "'smtpward unload --pins ");
	policy_unload();
	assert_held(false);
	assert_false(gate_has_qdisc());
	assert_status(NO, "not enforcing: nothing is loaded\n");
	if (gate_is_link())
		return;

	load_well(LAYER);
	remove_all_pins();
	load_well(LAYER);
	assert_held(true);
	assert_status(DONE, FAR_UPLINK ": in force\n");
	policy_unload();
	assert_held(false);
	assert_false(gate_has_qdisc());
}

static void test_renamed(void **state)
{
	load_well(LAYER);
	shell("ip link set " FAR_UPLINK " down; ip link set " FAR_UPLINK " name " RENAMED);
	assert_status(DEGRADED, FAR_UPLINK ": missing");
	shell("ip link set " RENAMED " name " FAR_UPLINK "; ip link set " FAR_UPLINK " up");
	assert_held(true);
	assert_status(DONE, FAR_UPLINK ": in force\n");

	policy_unload();
	shell("ip link set " FAR_UPLINK " down; ip link set " FAR_UPLINK " name " RENAMED);
	load_well(LAYER);
	assert_non_null(strstr(run.err, "not there yet: " FAR_UPLINK "; an uplink gets its gate"));
	assert_status(DEGRADED, "an uplink that the policy asks for is not there");
	shell("ip link set " RENAMED " name " FAR_UPLINK "; ip link set " FAR_UPLINK " up");
	assert_heals();
}

static void test_replugged(void **state)
{
	load_well(LAYER);
	far_teardown();
	far_wait_gone();
	assert_status(DEGRADED, FAR_UPLINK ": missing");
	heal();
	assert_status(DEGRADED, FAR_UPLINK ": missing");
	far_setup();
	assert_heals();
}

static void test_pin_of_gone(void **state)
{
	char before[NAME_MAX];

	load_well(LAYER);
	snprintf(before, sizeof(before), "%s", gate_pin());
	far_teardown();
	far_wait_gone();
	far_setup();
	assert_heals();
	if (gate_is_link())
		assert_string_not_equal(gate_pin(), before);
	assert_int_equal(sh("! test -e %s/%s", fixture.pins, before), 0);
	assert_int_equal(sh("! find " KEPT " -name %s | grep .", before), 0);
}

static int wait_for_end(void *nothing)
{
	return unshare(CLONE_NEWNET) ? errno : (pause(), 0);
}

static bool net_is_other(pid_t pid)
{
	char path[64], own[64], other[64];
	ssize_t n = readlink("/proc/thread-self/ns/net", own, sizeof(own)), m;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	m = readlink(path, other, sizeof(other));
	return n > 0 && m > 0 && (n != m || memcmp(own, other, (size_t)n) != 0);
}

/* A link goes with its device into another namespace, a filter does not. */
static void test_moved(void **state)
{
	struct child_handle child;
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	load_well(LAYER);
	child = child_start(CHILD_IN(MAIL), wait_for_end, NULL);
	while (!net_is_other(child.pid))
		assert_true(pause_until(deadline));
	shell("ip link set " FAR_UPLINK " netns %d", (int)child.pid);
	assert_status(DEGRADED, FAR_UPLINK ": missing");
	shell("nsenter -t %d -n ip link set " FAR_UPLINK " netns %d", (int)child.pid,
	      (int)getpid());
	kill(child.pid, SIGKILL);
	shell("ip link set " FAR_UPLINK " up");
	far_wait_up();
	if (gate_is_link()) {
		assert_held(true);
		assert_status(DONE, FAR_UPLINK ": in force\n");
	} else {
		assert_heals();
	}
	/* Its addresses are gone. */
	far_teardown();
	far_wait_gone();
	far_setup();
}

/* What has no packet out. */
static int send_on(void *out)
{
	(void)out;
	for (;;)
		if (gate_send(NULL) != ENOBUFS)
			return 1;
}

static void test_loads_under_fire(void **state)
{
	struct child_handle child;

	load_well(LAYER);
	far_frames();
	child = child_start(CHILD_IN(WEB), send_on, NULL);
	for (int i = 0; i < fixture_rounds(10) + 1; i++) {
		load_well(LAYER);
		assert_int_equal(try_for("1h", LAYER REFUSE_WEB), 0);
		end_trial();
		load_well(LAYER "raw allow\n");
	}
	assert_int_equal(kill(child.pid, 0), 0);
	assert_int_equal(far_frames(), 0);
	kill(child.pid, SIGKILL);
}

static void test_auto(void **state)
{
	load_well("packets on\nuplink auto\n");
	assert_status(DEGRADED, "an uplink that the policy asks for is not there");
	assert_non_null(strstr(run.out, "is not there"));
	shell("ip route add default via " FAR_THEIR4);
	assert_heals();
	shell("ip route del default");
	assert_held(true);
	assert_status(DEGRADED, "is not there");
	shell("ip route add default via " FAR_THEIR4);
	load_well("packets on\nuplink auto\n");
	shell("ip route del default");
	assert_held(true);
	assert_status(DONE, FAR_UPLINK ": in force\n");
}

/* Devices that become uplinks: each has a default route. */
static void make_devices(int n)
{
	shell("for i in $(seq %d); do echo link add up$i type veth peer name down$i; "
	      "echo link set up$i up; echo route add default dev up$i metric $((100 + i)); "
	      "done | ip -batch -",
	      n);
}

static void remove_devices(int n)
{
	shell("for i in $(seq %d); do echo link del up$i; done | ip -batch -", n);
}

/* However many devices become uplinks: those that have gates keep these, the others are named. */
static void test_many(void **state)
{
	shell("ip route add default via " FAR_THEIR4);
	load_well("packets on\nuplink auto\n");
	make_devices(20);
	assert_status(DEGRADED, "up20: open: it has no gate of this policy\n");
	assert_held(true);
	heal();
	assert_status(DONE, "up20: in force\n");
	remove_devices(20);

	make_devices(SMTPWARD_UPLINKS_MAX + 6);
	heal();
	assert_held(true);
	assert_status(DEGRADED, "more devices are uplinks now than can have gates");
	assert_non_null(strstr(run.out, FAR_UPLINK ": in force\n"));
	assert_non_null(strstr(run.out, "up63: in force\n"));
	assert_non_null(strstr(run.out, "up70: open: "));
	assert_int_equal(smtpward("status", "--json", "--pins", fixture.pins, NULL), DEGRADED);
	assert_int_equal(smtpward("status", "--metrics", "--pins", fixture.pins, NULL), DEGRADED);
	load_well("packets on\nuplink auto\n");
	assert_non_null(strstr(run.err,
			       "uplink auto: 71 devices have hardware behind them or a default "
			       "route, and packets leave unseen by all but 64: name those"));
	assert_held(true);
	assert_status(DEGRADED, "up70: open: ");
	load_well(LAYER);
	assert_status(DONE, FAR_UPLINK ": in force\n");
	remove_devices(SMTPWARD_UPLINKS_MAX + 6);
	shell("ip route del default");
}

#define BRIDGE_WARNING "an uplink is a bridge, and frames between its ports do not pass it: "

/* sysfs shows the devices of the network namespace that it was mounted in. */
static void mount_devices(void)
{
	shell("mount --make-rprivate / && mkdir -p %s/sys && mount -t sysfs sysfs %s/sys && "
	      "mount --bind %s/sys/devices /sys/devices && "
	      "mount --bind %s/sys/class/net /sys/class/net",
	      fixture.dir, fixture.dir, fixture.dir, fixture.dir);
}

static void test_bridge(void **state)
{
	if (system("ip link add br7 type bridge")) {
		assert_false(fixture_owns_machine());
		return;
	}
	mount_devices();
	load_well("packets on\nuplink br7\n");
	assert_non_null(strstr(run.err, BRIDGE_WARNING));
	assert_non_null(strstr(run.err, "(br7: none yet)"));
	shell("ip link set " FAR_UPLINK " master br7");
	load_well("packets on\nuplink br7\n");
	assert_non_null(strstr(run.err, BRIDGE_WARNING "name the port that leads out in its "
						       "place (br7: " FAR_UPLINK ")"));
	load_well("packets on\nuplink br7, " FAR_UPLINK "\n");
	assert_null(strstr(run.err, BRIDGE_WARNING));
	shell("ip link set br7 up; ip route add default dev br7");
	load_well("packets on\nuplink auto\n");
	assert_non_null(strstr(run.err, "(br7: " FAR_UPLINK ")"));
	shell("ip link del br7; umount /sys/class/net /sys/devices %s/sys", fixture.dir);
}

static void set_forwarding(const char *value)
{
	shell("echo %s >/proc/sys/net/ipv4/ip_forward", value);
}

static void test_forwards(void **state)
{
	set_forwarding("1");
	assert_int_equal(load(NULL, LAYER), FAILED);
	assert_non_null(strstr(run.err, "this machine forwards packets of others (by "));
	assert_non_null(strstr(run.err, FAR_UPLINK));
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), NO);
	assert_non_null(strstr(run.out, "nothing is loaded"));
	assert_false(gate_is_there());

	load_well(LAYER "mode audit\n");
	load_well(LAYER);
	policy_unload();
	load_well(LAYER "allow guest docker0\n");
	load_well(LAYER);
	assert_held(true);
	policy_unload();

	set_forwarding("0");
	load_well(LAYER);
	set_forwarding("1");
	load_well(LAYER);
	set_forwarding("0");
}

/* Kinds of devices: a frame or packet out of each. */

static const struct kind {
	const char *name;
	const char *make; /* a command for the device up7, or */
	short tun;	  /* the flags of one that a process makes */
} kinds[] = {
	{ "VLAN", "ip link add link " FAR_UPLINK " name up7 type vlan id 7", 0 },
	{ "bridge", "ip link add up7 type bridge && ip link set " FAR_UPLINK " master up7", 0 },
	{ "bond", "ip link add up7 type bond", 0 },
	{ "WireGuard", "ip link add up7 type wireguard", 0 },
	{ "tap", NULL, IFF_TAP | IFF_NO_PI },
	{ "tun", NULL, IFF_TUN | IFF_NO_PI },
};

/* Packets of a tun or tap without a reader go nowhere, after the gate. */
static int send_bare(void *nothing)
{
	static const uint8_t packet[20 + 20] = {
		[0] = 0x45,  [3] = 40,	  [8] = 64,   [9] = IPPROTO_TCP, [12] = 198,
		[13] = 18,   [15] = 1,	  [16] = 198, [17] = 18,	 [19] = 2,
		[20] = 0x57, [21] = 0x57, [23] = 25,  [32] = 5 << 4,	 [33] = 2,
	};
	const struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = (int)if_nametoindex("up7"),
	};
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return sendto(fd, packet, sizeof(packet), 0, (const struct sockaddr *)&to, sizeof(to)) < 0
		       ? errno
		       : 0;
}

static bool is_refused(const struct kind *kind)
{
	int r = child_run(CHILD_IN(WEB), send_bare, NULL);

	if (r == ENOBUFS || !r)
		return r == ENOBUFS;
	/* No peer, no carrier: behind the gate, too. */
	if (r == ENOKEY || r == EDESTADDRREQ || r == ENETDOWN)
		return false;
	fail_msg("%s: %s", kind->name, strerror(r));
	return false;
}

/* *ret_fd: of a tun or tap. */
static bool make_kind(const struct kind *kind, int *ret_fd)
{
	struct ifreq request = { .ifr_name = "up7", .ifr_flags = kind->tun };

	if (kind->make)
		return !system(kind->make);
	*ret_fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	return *ret_fd >= 0 && !ioctl(*ret_fd, TUNSETIFF, &request);
}

static void try_kind(const struct kind *kind)
{
	_cleanup_close_ int fd = -1;

	if (!make_kind(kind, &fd)) {
		if (fixture_owns_machine())
			fail_msg("no %s", kind->name);
		printf("# this kernel has no %s\n", kind->name);
		return;
	}
	shell("ip link set up7 up");
	load_well("packets on\nuplink up7\n");
	assert_status(DONE, "up7: in force\n");
	if (!is_refused(kind))
		fail_msg("%s: the gate is open", kind->name);
	policy_unload();
	if (is_refused(kind))
		fail_msg("%s: refused without a gate", kind->name);
	if (kind->make)
		shell("ip link del up7");
}

static void test_kinds(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		try_kind(&kinds[i]);
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_taken_away),	 TEST(test_qdisc),
		TEST(test_older_qdisc),	 TEST(test_others_first),
		TEST(test_lone_filter),	 TEST(test_renamed),
		TEST(test_replugged),	 TEST(test_moved),
		TEST(test_auto),	 TEST(test_loads_under_fire),
		TEST(test_forwards),	 TEST(test_kinds),
		TEST(test_pins_removed), TEST(test_program_gone),
		TEST(test_pin_of_gone),	 TEST(test_many),
		TEST(test_bridge),
	};

	return cmocka_run_group_tests_name("uplinks", tests, far_group_setup, far_group_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
