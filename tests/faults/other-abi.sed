# SPDX-License-Identifier: GPL-2.0-only
#
# Makes include/smtpward/abi.h that of another ABI: another number, and other layouts
# of all that may change with it. What outlives the ABI stays (see abi.h), and so do records: the
# higher number reads those of the lower one, which does not know what the others would be.
s/^#define SMTPWARD_ABI 3$/#define SMTPWARD_ABI 99/
/^struct smtpward_counters {$/a\	__u64 other;
/^	struct smtpward_caller_counts counts;$/a\	__u64 other;
/^struct smtpward_note {$/a\	__u64 other;
/^struct smtpward_cgroup {$/a\	__u64 other;
s/\(sizeof(struct smtpward_caller) == \)1072/\11080/
s/\(sizeof(struct smtpward_tenant) == \)1112/\11120/
s/\(sizeof(struct smtpward_counters) == \)96/\1104/
s/\(sizeof(struct smtpward_note) == \)168/\1176/
s/\(sizeof(struct smtpward_cgroup) == \)232/\1240/

# And user/pins/counter.c, which has a row for each.
/^#define TABLE(ROW)/a\	ROW(other, true, "Of another ABI.") \\
