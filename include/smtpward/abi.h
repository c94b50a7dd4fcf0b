/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interface between the BPF programs and user space: the layout of every map and of the event
 * record. One declaration, compiled by both sides.
 *
 * Fixed-width fields, explicit padding, host byte order unless a field says
 * otherwise. A change of any layout or meaning below is a new SMTPWARD_ABI.
 *
 * What outlives SMTPWARD_ABI, so that any version can take over from any other: the
 * names of the maps, all of map_gate, the first four bytes of map_policy, the keys of
 * map_callers and map_reported, the counts that their values and those of map_tenants begin
 * with, that a record of map_events is one attempt, and all of smtpward/rows.h.
 */
#ifndef SMTPWARD_ABI_H
#define SMTPWARD_ABI_H

#include <linux/types.h>

#include <smtpward/hooks.h>

#define SMTPWARD_ABI 3

/* The first ABI with struct smtpward_event as it is here: its records have lines, too. */
#define SMTPWARD_ABI_EVENT 2

/* The last ABI with struct smtpward_event_1 in map_events: its records have lines, too. */
#define SMTPWARD_ABI_EVENT_1 1

/* The last ABI with struct smtpward_caller in map_callers: its entries have names of their own. */
#define SMTPWARD_ABI_CALLER 1

/* Limits of a policy. Stated in smtpward.conf(5); too much is an error there. */
#define SMTPWARD_RULES_MAX 256
#define SMTPWARD_PORTS_MAX 16
#define SMTPWARD_SEGMENTS_MAX 1024 /* units, and segments of cgroup paths, together */
#define SMTPWARD_UPLINKS_MAX 64

#define SMTPWARD_RULE_WORDS (SMTPWARD_RULES_MAX / 64)
#define SMTPWARD_SEGMENT_WORDS (SMTPWARD_SEGMENTS_MAX / 64)

/* The number of words of no set of rules. */
#define SMTPWARD_WORDS_NONE (SMTPWARD_RULE_WORDS + 1)

/* The rule number of a connect that no rule matched. */
#define SMTPWARD_RULE_NONE SMTPWARD_RULES_MAX

/* A cgroup's name without its NUL: NAME_MAX, which kernfs enforces. */
#define SMTPWARD_NAME_MAX 255
#define SMTPWARD_NAME_SIZE 256

/*
 * Verdicts, as rules state them and as records report them. Zero denies: memory
 * that nobody filled in refuses.
 */
#define SMTPWARD_DENY 0
#define SMTPWARD_AUDIT 1
#define SMTPWARD_ALLOW 2

/* A set of rules: bit N of word N / 64 is the rule with index N, in policy order. */
struct smtpward_rules {
	__u64 words[SMTPWARD_RULE_WORDS];
};

/*
 * A set of names to compare a cgroup's name with: the segments of the policy's cgroup
 * paths, and its units, numbered through all of them.
 */
struct smtpward_segments {
	__u64 words[SMTPWARD_SEGMENT_WORDS];
};

/*
 * map_gate, one entry: which policy decides. All hooks of every generation read it
 * first, so one 8-byte store switches them together.
 *
 * Its layout and its meaning outlive SMTPWARD_ABI: any version can hand over to
 * any other. Generation 0 is never used; the programs of a generation that the
 * gate does not name hand over to those they replaced, and decide for themselves
 * where there are none. Only SMTPWARD_GATE_OPEN, spelled out, lifts enforcement.
 */
#define SMTPWARD_GATE_OPEN 0x6e65706f65746167ULL

/* The number of no generation: those are below 2^63. */
#define SMTPWARD_GENERATION_NONE (~0ULL)

struct smtpward_gate {
	__u64 generation;
};

/*
 * map_trial, one entry a generation, read by the programs of a generation on trial alone: which
 * came first, `smtpward confirm` or the deadline. A confirm changes the word from 0 to
 * SMTPWARD_TRIAL_KEPT in one step; the first program that finds the deadline over adds 1. Whoever
 * comes second sees that the word is not 0.
 *
 * No ABI is told by it: a generation of an older version has none, and is on no trial.
 */
#define SMTPWARD_TRIAL_KEPT (1ULL << 63)

struct smtpward_trial {
	__u64 word;
};

/*
 * map_cgroups, by cgroup id: how far the policy's cgroup paths have come at this
 * cgroup. A cgroup without an entry has the state of its nearest ancestor that has one.
 *
 * map_inherited, by cgroup id: the rules of such a cgroup, so that a connect need not
 * look for them further up. Cgroups that only rules without a cgroup or unit condition
 * cover have no entry. If the map is full, no more entries are made.
 */
struct smtpward_cgroup {
	struct smtpward_rules rules;   /* cover this cgroup and all below it: both of these */
	struct smtpward_rules by_unit; /* ask for no unit, or for one that this is or is in */
	struct smtpward_rules by_path; /* ask for no path, or for one that this is or is below */
	struct smtpward_segments next; /* a child that matches one of these goes on */
	__u32 slices;		       /* 1: nothing but *.slice from the root to here */
	__u32 pad;
};

/* Rules that are complete at a segment: the segment is the last of their path, or their unit. */
struct smtpward_path {
	struct smtpward_rules by_unit; /* ask for this unit */
	struct smtpward_rules by_path; /* ask for this path */
};

/*
 * map_names gives the segments that are a whole name; map_prefixes and map_suffixes the starred
 * segments whose text before the star begins the name, and whose text behind the star ends it;
 * map_lengths, by a name's length, the starred segments whose texts together are at most that long.
 */

/* Key of map_names: the name, NUL-padded to the end. */
struct smtpward_name {
	char text[SMTPWARD_NAME_SIZE];
};

/* Key of map_prefixes, and, with the name reversed, of map_suffixes. */
struct smtpward_affix {
	__u32 bits; /* significant bits of text: 8 a byte */
	char text[SMTPWARD_NAME_SIZE];
};

/* Key of map_addresses and map_local: network byte order, an IPv4 address as ::ffff:a.b.c.d. */
struct smtpward_prefix {
	__u32 bits; /* 0 to 128 */
	__u8 address[16];
};

/*
 * map_local, by prefix, for rules with "local" in their addresses: what the host's network
 * namespace takes for its own. An entry is a lease: its end, in ns of CLOCK_BOOTTIME. Who
 * keeps the map renews it. If a lease is over, or ends later than SMTPWARD_LOCAL_LEASE_NS from now,
 * its address does not count as local. So an address that nobody renews is local for 10 s at most.
 */
#define SMTPWARD_LOCAL_LEASE_NS 10000000000ULL
#define SMTPWARD_LOCAL_ENTRIES 16384

/* Linux before 6.13 replaces no entry of a full trie: one place in the map stays free. */
#define SMTPWARD_LOCAL_ROOM (SMTPWARD_LOCAL_ENTRIES - 1)

/* map_host, one entry a generation: what who keeps map_local goes by. No ABI is told by it. */
struct smtpward_host {
	__u32 asks_local; /* 1: a rule has "local" */
	__u32 netns;	  /* inode number of the host's network namespace, 0 if none asks */
};

/* The id of the cgroup hierarchy's own root, by cgroup_setup_root() in kernel/cgroup/cgroup.c. */
#define SMTPWARD_ROOT_CGROUP 1

/*
 * map_callers, by tenant and effective user: the limit on lines and what it held back. All
 * counts only grow while the entry lives. The reader of map_events removes entries of tenants
 * that are gone, and entries that were idle for long, once their counts have had their line.
 */
struct smtpward_caller_key {
	__u64 cgroup_id; /* of the tenant */
	__u32 euid;
	__u32 shared; /* 1: of all users without an entry of their own; euid is 0 */
};

/* The names from a cgroup up to the root: see struct smtpward_event. */
#define SMTPWARD_CGROUP_SIZE 1024

struct smtpward_caller_counts {
	__u64 born_ns;	  /* CLOCK_BOOTTIME: tells this entry from an earlier one */
	__u64 next_ns;	  /* CLOCK_BOOTTIME: when the used-up allowance is back */
	__u64 attempts;	  /* with a verdict that the policy logs */
	__u64 suppressed; /* of these, held back by the limit */
	__u64 lost;	  /* of these, found no room in map_events */
};

/* Counts, and whose they are. */
struct smtpward_caller {
	struct smtpward_caller_counts counts;
	__u32 cgroup_len;
	__u32 flags; /* SMTPWARD_CALLER_NAMED, SMTPWARD_CGROUP_CUT, _TOP */
	char cgroup[SMTPWARD_CGROUP_SIZE];
};

/*
 * map_tenants, by cgroup id: the cgroups that share one limit with all below them, ten times
 * that of a user. A cgroup without an entry is of the tenant that the deepest of its first
 * SMTPWARD_TENANT_LEVELS levels with an entry is. The root has an entry, and no other cgroup is a
 * tenant, from when all cgroups that were there before have theirs.
 *
 * Who makes cgroups and user ids without end makes no entry here: see bpf/tenant.h. So every
 * tenant has the counts in its entry for what finds no room elsewhere.
 */
#define SMTPWARD_TENANT_LEVELS 16
#define SMTPWARD_TENANT_USERS 1024 /* with an entry in map_callers, each; more share one */
#define SMTPWARD_TENANT_TIMES 10   /* the limit of one user */

#define SMTPWARD_TENANT_USER_SLICE (1U << 0) /* user-N.slice: all below it is of this tenant */

/*
 * A guest is a tenant as well: its key, here and in all that goes by tenant, is the number of the
 * device that the guest's packets come in by, and a bit that no cgroup's id has. Its `shared` has
 * all its attempts, and the device's name as the only name. SMTPWARD_GUESTS guests have an entry
 * each; more share SMTPWARD_GUEST_OTHERS.
 */
#define SMTPWARD_GUEST_BIT (1ULL << 63)
#define SMTPWARD_GUEST_OTHERS SMTPWARD_GUEST_BIT
#define SMTPWARD_GUEST_OTHERS_NAME ":others" /* no device has a name with a colon */
#define SMTPWARD_GUESTS 256

struct smtpward_tenant {
	struct smtpward_caller shared; /* of the users without an entry of their own; the names */
	__u64 next_ns;		       /* as in the counts: of all users together */
	__u64 gone_ns;	      /* CLOCK_BOOTTIME: since when the cgroup is; 0: it is there */
	__u64 mark;	      /* bytes since map_events was made: see record.h */
	__u32 records_before; /* made before the mark, and not known to be read */
	__u32 records_since;
	__u32 users; /* that ever got an entry in map_callers */
	__u32 flags; /* SMTPWARD_TENANT_* */
};

/*
 * map_levels, by the last bits of a cgroup's id: that id, and the level of its tenant, or 0 for
 * the root's. Both never change for a cgroup that is there. An entry makes room for the next.
 */
#define SMTPWARD_LEVELS_ENTRIES 4096
#define SMTPWARD_LEVEL_BITS 5

/*
 * map_reported, by the same keys: what of the counts of map_callers, and for the key `shared` of
 * map_tenants, has had its line. Written by the reader of map_events alone, so that a new reader
 * goes on where the last one was. The all-zero key is map_callers_rest.
 */
struct smtpward_reported {
	__u64 born_ns; /* of the entry that this is about */
	__u64 suppressed;
	__u64 lost;
	__u64 forgotten; /* `shared`: users whose entries made room since */
};

/*
 * map_note, one entry, mapped into the reader's memory: the line that it is writing.
 * What a reader that was killed leaves here tells the next one whether that line is
 * out, so that each is written once. The programs do not know it.
 *
 * map_note_root is the same for a reader that is root, and is shared with nobody. No ABI is
 * told by it: a generation of an older version has none.
 */
#define SMTPWARD_NOTE_NOTHING 0
#define SMTPWARD_NOTE_RECORD 1	/* the record at position of map_events */
#define SMTPWARD_NOTE_SUMMARY 2 /* reported is to be the entry of key in map_reported */

/* How a sink can tell whether the line is out. */
#define SMTPWARD_RECEIPT_NONE 0
#define SMTPWARD_RECEIPT_MESSAGE 1 /* once the kernel has written a length into message */
#define SMTPWARD_RECEIPT_FILE 2	   /* once the file has grown by the line */

struct smtpward_receipt {
	__u32 kind;
	__u32 pad;
	__u64 message[8]; /* struct mmsghdr of the C library */
	__u64 device;	  /* of the file, as stat(2) has it */
	__u64 inode;
	__u64 offset; /* of the line in the file, bytes */
	__u64 length; /* of the line, bytes */
};

struct smtpward_note {
	__u32 kind;
	__u32 pad;
	__u64 position; /* bytes since map_events was made */
	struct smtpward_caller_key key;
	struct smtpward_reported reported;
	struct smtpward_receipt receipt;
};

/*
 * map_counters, one entry a CPU: what happened on guarded ports, and everything
 * that did not go as it should have. Never reset; sum over the CPUs.
 */
struct smtpward_counters {
	__u64 denied;	     /* connects refused */
	__u64 audited;	     /* let through, and enforcement would have refused them */
	__u64 allowed;	     /* let through by a rule */
	__u64 recorded;	     /* records put into map_events */
	__u64 suppressed;    /* attempts held back by the limit */
	__u64 lost;	     /* attempts that found map_events full */
	__u64 callers_full;  /* attempts of users that share a limit with others of their tenant */
	__u64 cgroups_full;  /* cgroups that map_cgroups had no room for */
	__u64 cgroup_unsure; /* refused because of such a cgroup: a rule for it may deny */
	__u64 broken; /* refused, or not recorded, because the program's own state failed it */
	__u64 tenants_full; /* cgroups that map_tenants had no room for: not tenants of their own */
	__u64 tenants_gone; /* tenants that are gone and whose counts stayed for the reader */
};

/*
 * map_attempts, one entry a CPU, by guarded port and rule: those that this generation decided.
 * The entry of a port's index and a rule, or SMTPWARD_RULE_NONE, is the index times
 * SMTPWARD_ATTEMPTS_A_PORT and the rule. No ABI is told by it: a generation of an older version
 * has none.
 */
#define SMTPWARD_ATTEMPTS_A_PORT (SMTPWARD_RULES_MAX + 1)

struct smtpward_attempts {
	__u64 attempts;
};

/*
 * map_tracker, by what they are missing from: cgroups of this generation that the map
 * had no room for. Never taken back: a new load begins anew.
 */
#define SMTPWARD_TRACKER_CGROUPS 0   /* what covers them is not known */
#define SMTPWARD_TRACKER_INHERITED 1 /* what covers them is looked for further up */
#define SMTPWARD_TRACKER_ENTRIES 2

struct smtpward_tracker {
	__u64 missing;
};

/*
 * map_clock, one entry a generation: what makes UTC of the clock that the programs read, for
 * rules with an end. Root alone writes it, at a load and where the clock or its distance from
 * TAI is set: CLOCK_BOOTTIME does not know of the former, nor CLOCK_TAI of the latter. The
 * programs of a policy without such rules do not read it, and it is all zero. No ABI is told by
 * it: a generation of an older version has none.
 */
#define SMTPWARD_CLOCK_BOOTTIME 0
#define SMTPWARD_CLOCK_TAI 1

struct smtpward_clock {
	__u64 offset_ns; /* UTC is that clock and this, modulo 2^64 */
	__u64 floor_ns;	 /* UTC: a clock that is before it is not set; 0: nobody asks */
	__u32 source;	 /* SMTPWARD_CLOCK_* */
	__u32 pad;
};

/*
 * map_policy, one entry a generation: what is loaded, for status and for people.
 * The programs read none of it.
 */
struct smtpward_policy_info {
	__u32 abi;
	__u32 mode; /* SMTPWARD_DENY: enforce, SMTPWARD_AUDIT: audit */
	__u64 generation;
	__u64 loaded_at;   /* CLOCK_REALTIME, seconds, as it was set then; see loaded_ns */
	__u64 attached_to; /* id of the cgroup that the links are attached to */
	__u64 root;	   /* id of the cgroup v2 root that paths start from */
	__u32 rules;
	__u32 ports;
	__u16 port[SMTPWARD_PORTS_MAX];
	__u32 reject;	    /* errno of a refused connect(2) */
	__u32 log;	    /* bit N: the verdict N gets a line */
	__u64 limit_lines;  /* lines ... */
	__u64 limit_period; /* ... in so many seconds */
	__u64 limit_burst;
	__u64 alert_attempts; /* more of a user than so many have an alert; 0: none have */
	__u64 alert_period;   /* ... in so many seconds */
	char config[256];     /* where the policy came from */
	char version[32];     /* of the smtpward that loaded it */
};

/*
 * map_origin, one entry a generation: where its policy and its pins are from. Bound to the
 * programs, so that who finds these by their ids, without a pin, finds it too. The
 * programs read none of it, and no ABI is told by it: a generation of an older version
 * has none.
 */
#define SMTPWARD_ORIGIN_CGROUP (1U << 0) /* --cgroup named where it is attached */
#define SMTPWARD_ORIGIN_KEPT (1U << 1)	 /* the policy that was kept: why says what for */
#define SMTPWARD_ORIGIN_HASHED (1U << 2) /* hash is there */
#define SMTPWARD_ORIGIN_TRIAL (1U << 3)	 /* it is, or was, on trial: map_trial says more */
#define SMTPWARD_ORIGIN_RUN (1U << 4)	 /* of run --trial, which lifts it at its end */

#define SMTPWARD_PATH_SIZE 4096
#define SMTPWARD_HASH_SIZE 32

struct smtpward_origin {
	__u32 flags;		       /* SMTPWARD_ORIGIN_* */
	__u32 reader;		       /* the group that may read beside root; 0: none */
	char pins[SMTPWARD_PATH_SIZE]; /* the pin directory, absolute */
	char why[464];		       /* what was wrong with the file, or empty */
	__u64 trial_ends_ns;	       /* CLOCK_BOOTTIME of the first time namespace */
	__u64 trial_fallback;	       /* the generation that follows then; 0: nothing does */
	__u8 hash[SMTPWARD_HASH_SIZE]; /* SHA-256 of the policy's canonical text */
	__u64 loaded_ns; /* CLOCK_BOOTTIME of the first time namespace: since when it is loaded */
};

/*
 * map_hooks, one entry a generation: its programs, and the cgroup that they are
 * attached to. What reading the pin iter_hooks compares with what is attached: to a
 * reader below that cgroup, "connect4=1 connect6=1\n" with a word for each hook; others
 * read nothing. It grows with the table of hooks, and no other generation reads it.
 */
struct smtpward_hooks {
	__u64 cgroup_id;
	__u32 program_ids[SMTPWARD_HOOKS];
	__u32 pad[SMTPWARD_HOOKS % 2];
};

/* map_rules, by rule index: the text of each rule, for status and for people. */
struct smtpward_rule_info {
	__u64 hash; /* see smtpward/rows.h */
	__u32 verdict;
	__u32 line;
	__u32 truncated; /* 1: text does not hold all of the rule */
	__u32 until;	 /* seconds since 1970, UTC: what it ends at; 0: no end, or older */
	char file[256];
	char text[496]; /* canonical */
};

/*
 * How much of a command line a record has: nothing; what leads to the script, see bpf/args.h; or
 * all words.
 */
#define SMTPWARD_ARGS_NONE 0
#define SMTPWARD_ARGS_SCRIPT 1
#define SMTPWARD_ARGS_ALL 2

/*
 * The record of one attempt in map_events: what was known in the kernel at the
 * time of the call. Strings hold any byte but NUL; all of it but the numbers can
 * be chosen by the caller.
 *
 * text has four parts, one behind the other: cgroup, exe, cwd, args. The first three are lists of
 * names, the last one first, each with its NUL: what user space prints as
 * "/system.slice/cron.service" is here "cron.service", "system.slice". If a list has no room for
 * all names, flags say so: the cgroup list then leaves out names in the middle, never the unit,
 * what is above it, or the two names next to the root; the lists of exe and cwd leave out the names
 * nearest to the root. args has words of the command line, the first one first, each with its NUL
 * if it is whole.
 *
 * Each part has its room whatever is in the others; what a part leaves free the next ones have.
 */
#define SMTPWARD_COMM_SIZE 16
#define SMTPWARD_ANCESTORS 5

/* The hooks that judge an attempt. */
#define SMTPWARD_OF_CONNECT 0
#define SMTPWARD_OF_PACKET 1 /* a packet of a socket of this machine */
#define SMTPWARD_OF_UPLINK 2 /* a packet that leaves by an uplink */
#define SMTPWARD_OF_RAW 3    /* setsockopt(2); there is no destination */

#define SMTPWARD_TEXT_SIZE 1720

/* Exe and cwd have room for the last name at least, args for so much at least. */
#define SMTPWARD_ARGS_LEAST (SMTPWARD_TEXT_SIZE - SMTPWARD_CGROUP_SIZE - 2 * SMTPWARD_NAME_SIZE)

/* Args have so much if the cgroup's names are no longer than usual. */
#define SMTPWARD_ARGS_USUAL 384

#define SMTPWARD_CGROUP_CUT (1U << 0)
/* Cut, and the list's end is the names next to the root: as many as TOP_NAMES says, or two if 0. */
#define SMTPWARD_CGROUP_TOP (1U << 1)
#define SMTPWARD_CGROUP_TOP_SHIFT 16
#define SMTPWARD_CGROUP_TOP_NAMES (15U << SMTPWARD_CGROUP_TOP_SHIFT)
#define SMTPWARD_CGROUP_FLAGS \
	(SMTPWARD_CGROUP_CUT | SMTPWARD_CGROUP_TOP | SMTPWARD_CGROUP_TOP_NAMES)
#define SMTPWARD_EXE_CUT (1U << 2)
#define SMTPWARD_EXE_DELETED (1U << 3)
#define SMTPWARD_CALLER_NAMED (1U << 4) /* of a caller: its cgroup's names are known */
#define SMTPWARD_CWD_CUT (1U << 5)
#define SMTPWARD_CWD_DELETED (1U << 6)
#define SMTPWARD_CWD_KNOWN (1U << 7) /* a cwd without names is the root */
#define SMTPWARD_ARGS_CUT (1U << 8)

struct smtpward_event {
	__u64 time_ns;	  /* CLOCK_BOOTTIME */
	__u64 generation; /* of the policy that decided */
	__u64 cgroup_id;  /* of the calling task, cgroup v2 */
	__u8 address[16]; /* destination, network byte order, IPv4 as ::ffff:a.b.c.d */
	__u16 port;	  /* destination, host byte order */
	__u16 rule;	  /* index, or SMTPWARD_RULE_NONE */
	__u8 verdict;	  /* SMTPWARD_DENY, _AUDIT or _ALLOW */
	__u8 ancestors;	  /* how many there are in ancestor */
	__u8 hook;	  /* SMTPWARD_OF_* */
	__u8 pad;
	__u32 flags;
	__u32 uid; /* ids as the initial user namespace has them */
	__u32 euid;
	__u32 egid;
	__u32 auid; /* login uid, 4294967295 where none is set */
	__u32 pid;  /* process ids as the initial pid namespace has them */
	__u32 ppid;
	__u32 netns;	  /* inode number of the task's network namespace */
	__u32 cgroup_len; /* bytes of text, the last NUL included */
	__u32 exe_len;
	__u32 cwd_len;
	__u32 args_len;
	char comm[SMTPWARD_COMM_SIZE];
	/* comm of the processes above, the parent first; not beyond process 1 */
	char ancestor[SMTPWARD_ANCESTORS][SMTPWARD_COMM_SIZE];
	char text[SMTPWARD_TEXT_SIZE];
};

/*
 * The record of a packet has this at SMTPWARD_PACKET_AT of its text, behind the names of the
 * socket's cgroup. The record has no other part of a text, and nothing of a task: a packet may
 * leave in anybody's time. Of a guest's packet there is no cgroup either, and cgroup_id is 0.
 */
#define SMTPWARD_PACKET_AT SMTPWARD_CGROUP_SIZE

#define SMTPWARD_DEVICE_SIZE 16 /* IFNAMSIZ */

struct smtpward_packet {
	__u8 source[16];   /* as address; all zero if the packet hides it */
	__u8 original[16]; /* before address translation; all zero: the same, or not known */
	__u64 mac;	   /* source, the first byte highest; 0: none */
	__u32 iif;	   /* number of the device that it came in by; 0: none */
	__u16 vlan;	   /* 0: none */
	__u16 pad;
	char device[SMTPWARD_DEVICE_SIZE]; /* that it leaves by */
	char guest[SMTPWARD_DEVICE_SIZE];  /* that it came in by */
};

/* The same as ABI 1 had it. */
#define SMTPWARD_EXE_SIZE_1 768

struct smtpward_event_1 {
	__u64 time_ns;
	__u64 generation;
	__u64 cgroup_id;
	__u8 address[16];
	__u16 port;
	__u16 rule;
	__u8 verdict;
	__u8 pad[3];
	__u32 flags;
	__u32 uid;
	__u32 euid;
	__u32 egid;
	__u32 auid;
	__u32 pid;
	__u32 ppid;
	__u32 netns;
	__u32 cgroup_len;
	__u32 exe_len;
	char comm[SMTPWARD_COMM_SIZE];
	char parent[SMTPWARD_COMM_SIZE];
	char cgroup[SMTPWARD_CGROUP_SIZE];
	char exe[SMTPWARD_EXE_SIZE_1];
};

_Static_assert(sizeof(struct smtpward_rules) == 32, "ABI");
_Static_assert(sizeof(struct smtpward_segments) == 128, "ABI");
_Static_assert(sizeof(struct smtpward_gate) == 8, "ABI");
_Static_assert(sizeof(struct smtpward_trial) == 8, "ABI");
_Static_assert(sizeof(struct smtpward_cgroup) == 232, "ABI");
_Static_assert(sizeof(struct smtpward_path) == 64, "ABI");
_Static_assert(sizeof(struct smtpward_affix) == 260, "ABI");
_Static_assert(sizeof(struct smtpward_prefix) == 20, "ABI");
_Static_assert(sizeof(struct smtpward_host) == 8, "ABI");
_Static_assert(sizeof(struct smtpward_caller_key) == 16, "ABI");
_Static_assert(sizeof(struct smtpward_caller) == 1072, "ABI");
_Static_assert(sizeof(struct smtpward_tenant) == 1112, "ABI");
_Static_assert(sizeof(struct smtpward_reported) == 32, "ABI");
_Static_assert(sizeof(struct smtpward_note) == 168, "ABI");
_Static_assert(sizeof(struct smtpward_counters) == 96, "ABI");
_Static_assert(sizeof(struct smtpward_attempts) == 8, "ABI");
_Static_assert(sizeof(struct smtpward_clock) == 24, "ABI");
_Static_assert(sizeof(struct smtpward_policy_info) == 416, "ABI");
_Static_assert(sizeof(struct smtpward_origin) == 4624, "ABI");
_Static_assert(sizeof(struct smtpward_hooks) == 8 + (SMTPWARD_HOOKS + 1) / 2 * 8, "ABI");
_Static_assert(sizeof(struct smtpward_rule_info) == 776, "ABI");
_Static_assert(sizeof(struct smtpward_event) == 1912, "ABI");
_Static_assert(sizeof(struct smtpward_event_1) == 1912, "ABI");
_Static_assert(sizeof(struct smtpward_packet) == 80, "ABI");
_Static_assert(SMTPWARD_PACKET_AT + sizeof(struct smtpward_packet) <= SMTPWARD_TEXT_SIZE, "ABI");

#endif /* SMTPWARD_ABI_H */
