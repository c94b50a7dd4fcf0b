/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The count of attempts that 'smtpward report' shows: its maps, as abi.h has the others.
 *
 * These maps last from policy to policy, and also from version to version: their layouts outlive
 * SMTPWARD_ABI. A map whose layout changes gets another name. The programs and root alone write
 * them; the reader's group reads.
 */
#ifndef SMTPWARD_ROWS_H
#define SMTPWARD_ROWS_H

#include <linux/types.h>

#include <smtpward/abi.h>

/*
 * map_rows: one entry for each (tenant, effective user, rule, destination, port) that an attempt
 * was seen of, with a verdict that the policy logs.
 *
 * A tenant has a number of rows for itself, and beyond these its part of the rows that all tenants
 * share. An attempt that finds no room for a row is counted in its tenant's `other` row; if
 * map_row_tenants is full, an attempt of a tenant without an entry is counted in `rest` of
 * map_rows_used. Linux before 5.12 has no atomic operation that tells the old value: each CPU can
 * make one row more than a bound allows, and SMTPWARD_ROWS_SLACK leaves room for these rows in the
 * shared part.
 */
#define SMTPWARD_ROW_TENANTS 4096
#define SMTPWARD_ROWS_KEPT 16	    /* for each tenant */
#define SMTPWARD_ROWS_SHARED 65536  /* by all, beyond those */
#define SMTPWARD_ROWS_A_TENANT 4096 /* of the shared */
#define SMTPWARD_ROWS_SLACK 256
#define SMTPWARD_ROWS_ENTRIES (SMTPWARD_ROW_TENANTS * SMTPWARD_ROWS_KEPT + SMTPWARD_ROWS_SHARED)

/* From so many of a shared part on, the next load deletes the rows of tenants that are gone. */
#define SMTPWARD_ROWS_CROWDED(bound) ((bound) / 4 * 3)

/*
 * The rule of a connect that no rule matched. A rule's hash is the first 8 bytes of the SHA-256 of
 * its canonical text, big-endian and without the highest bit, or 1 if that is 0.
 */
#define SMTPWARD_ROW_DEFAULT 0

/* By rule index, and SMTPWARD_RULE_NONE; a power of two, for the verifier. */
#define SMTPWARD_RULE_HASHES 512

struct smtpward_row_key {
	__u64 tenant; /* cgroup id */
	__u64 rule;   /* hash, or SMTPWARD_ROW_DEFAULT */
	union {
		__u8 address[16]; /* network byte order, IPv4 as ::ffff:a.b.c.d */
		__u32 words[4];
	};
	__u32 euid;
	__u16 port; /* host byte order */
	__u16 pad;
};

/* With the kernel's header an entry of map_rows takes 128 bytes, and a byte more would take 192. */
struct smtpward_row {
	__u64 attempts[SMTPWARD_ALLOW + 1]; /* by verdict */
	__u64 last_ns;			    /* CLOCK_BOOTTIME */
	__u64 first_ns;
};

/* map_row_tenants, by cgroup id: a tenant that has rows. */
struct smtpward_row_tenant {
	struct smtpward_row other; /* of what found no room; first_ns is 0 */
	__u64 rows;		   /* that were made */
	__u64 lasts;		   /* entries of map_row_lasts that were made */
	__u64 gone_ns;		   /* CLOCK_BOOTTIME: since when the cgroup is; 0: it is there */
};

/*
 * map_row_names, by cgroup id: the tenant's names, as they stood in map_tenants as its first row
 * was made. They stay as long as the rows do. A list as in struct smtpward_event.
 */
struct smtpward_row_names {
	__u32 cgroup_len;
	__u32 flags; /* SMTPWARD_CALLER_NAMED, SMTPWARD_CGROUP_* */
	char cgroup[SMTPWARD_CGROUP_SIZE];
};

/*
 * map_row_lasts, by (tenant, effective user) as map_callers: the last attempt that had a record. An
 * entry was read whole if `writers` is 0 and `writes` has not changed at a second reading. A tenant
 * has one entry for itself, and its part of those that all tenants share; users without one have no
 * last attempt. If two programs come to an entry at the same time, both may leave it as it is. On
 * arm64, whose stores others may see in another order, an entry may be of two attempts of its user.
 * A flood of records writes an entry once in SMTPWARD_LAST_INTERVAL_NS: of attempts that are closer,
 * it has the first.
 */
#define SMTPWARD_LAST_INTERVAL_NS 1000000
#define SMTPWARD_LASTS_SHARED 4096
#define SMTPWARD_LASTS_A_TENANT 256
#define SMTPWARD_LASTS_ENTRIES (SMTPWARD_ROW_TENANTS + SMTPWARD_LASTS_SHARED)

struct smtpward_row_last {
	__u64 writers; /* programs that are at the entry; the first of them writes */
	__u64 writes;  /* that ended */
	__u64 time_ns; /* CLOCK_BOOTTIME */
	__u32 flags;   /* SMTPWARD_EXE_*, _CWD_*, _ARGS_* */
	__u32 exe_len; /* bytes of text */
	__u32 cwd_len;
	__u32 args_len;
	char text[SMTPWARD_TEXT_SIZE]; /* exe, cwd, args, as in struct smtpward_event */
};

/*
 * map_rows_used, one entry, mapped by root for atomic operations: what is used of what is shared.
 * Errors of a row or two are possible; a load counts anew. All are read as signed numbers.
 */
struct smtpward_rows_used {
	struct smtpward_row rest; /* of tenants without an entry; first_ns is 0 */
	__u64 rows;		  /* of SMTPWARD_ROWS_SHARED */
	__u64 lasts;		  /* of SMTPWARD_LASTS_SHARED */
	__u64 tenants;		  /* of SMTPWARD_ROW_TENANTS */
	__u64 gone;		  /* of these, tenants that are gone */
};

_Static_assert(sizeof(struct smtpward_row_key) == 40, "outlives the ABI");
_Static_assert(sizeof(struct smtpward_row) == 40, "outlives the ABI");
_Static_assert(sizeof(struct smtpward_row_tenant) == 64, "outlives the ABI");
_Static_assert(sizeof(struct smtpward_row_names) == 1032, "outlives the ABI");
_Static_assert(sizeof(struct smtpward_row_last) == 1760, "outlives the ABI");
_Static_assert(sizeof(struct smtpward_rows_used) == 72, "outlives the ABI");

#endif /* SMTPWARD_ROWS_H */
