#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A hook more: hook.patch gives a copy of the tree the hook bind4, in five product files
# at most; the copy takes over from the build without it, is killed while it does, and
# gives way to it again. Needs root. Prints TAP.
#
#	SMTPWARD=path/to/smtpward tests/grow/hook.sh
set -uo pipefail

# A bpffs that nobody else sees, and ports that nobody else has.
[ "${GROW_INSIDE:-}" ] || GROW_INSIDE=1 exec unshare --mount --net --propagation private \
	"${BASH_SOURCE[0]}" "$@"

# shellcheck source=tests/grow/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

prepare() {
	printf 'allow to 127.0.0.1, ::1\n' >"$work/old.conf"
	printf 'allow to 127.0.0.2\n' >"$work/new.conf"
	make_place && copy_tree
}

# Of two hooks nothing may speak as of all, also where a line ends between the words.
texts_count_no_hooks() {
	! (cd "$tree" && grep -rlzE '[Bb]oth([[:space:]]|\*|the)+hooks|[Tt]wo BPF programs' \
		bpf user include scripts README.md)
}

old_load() {
	"$base" load -c "$work/old.conf" --cgroup "$cgroup" --pins "$pins"
}

new_load() {
	"$@" "$grown" load -c "$work/new.conf" --cgroup "$cgroup" --pins "$pins"
}

# Prints a digit an attempt, 1 where it is refused with EPERM: connects to port 25 of
# 127.0.0.1, 127.0.0.2 and ::1, binds to port 25 and to another one.
# shellcheck disable=SC2016
probe() {
	in_cgroup perl -MSocket=:all -e '
		sub attempt {
			my ($call, $to) = @_;
			socket(my $s, sockaddr_family($to), SOCK_STREAM, 0) or die "socket: $!";
			my $passed = $call eq "bind" ? bind($s, $to) : connect($s, $to);
			return !$passed && $! == 1 ? 1 : 0;
		}
		print attempt("connect", pack_sockaddr_in(25, inet_aton("127.0.0.1"))),
			attempt("connect", pack_sockaddr_in(25, inet_aton("127.0.0.2"))),
			attempt("connect", pack_sockaddr_in6(25, inet_pton(AF_INET6, "::1"))),
			attempt("bind", pack_sockaddr_in(25, INADDR_ANY)),
			attempt("bind", pack_sockaddr_in(26, INADDR_ANY));'
}

readonly nothing=00000 old=01000 new=10110

decides() {
	local now

	now=$(probe)
	[ "$now" = "$1" ] || { echo "refused: $now, and not $1"; return 1; }
}

old_is_in_force() {
	old_load && decides $old && [ ! -e "$pins/link_bind4" ]
}

new_is_in_force() {
	new_load && decides $new
}

three_in_force() {
	local hook

	"$grown" status --pins "$pins" >"$work/status" || { cat "$work/status"; return 1; }
	for hook in connect4 connect6 bind4; do
		grep -qE "^$hook +in force$" "$work/status" || { cat "$work/status"; return 1; }
	done
}

programs_differ() {
	[ "$("$grown" status --json --pins "$pins" | grep '"program":' | sort -u | wc -l)" -eq 3 ]
}

stdin_is_closed() {
	new_is_in_force <&- && three_in_force
}

stdin_is_null() {
	new_is_in_force </dev/null && three_in_force
}

# Descriptors from 0 on are free: the first that is opened is stdin.
all_closed() {
	new_load <&- >&- 2>&- && decides $new && three_in_force
}

reader_is_told() {
	local said

	"$grown" load -c "$work/new.conf" --cgroup "$cgroup" --pins "$pins" --reader nobody || return 1
	said=$(in_cgroup cat "$pins/policy/iter_hooks")
	[ "$said" = "connect4=1 connect6=1 bind4=1" ] || { echo "$said"; return 1; }
}

# Detached: not in force. Without its pin it is, by the second set.
taken_away() {
	bpftool link detach pinned "$pins/link_bind4" &&
		! "$grown" status --pins "$pins" >"$work/status" || return 1
	grep -q '^not enforcing: the hook bind4 is not in force' "$work/status" &&
		new_is_in_force && three_in_force && rm "$pins/link_bind4" && decides $new || return 1
	"$grown" status --pins "$pins" >"$work/status"
	[ $? -eq 4 ] && new_is_in_force && three_in_force && rm "$pins/link_bind4"
}

# Killed ahead of its Nth bpf(2), one N in seven or, with SMTPWARD_TEST_FAULTS=1, each: one
# whole policy decides, and without the new one nobody's bind is refused: the old one at
# first, the new one in the end. Then the one or the other version goes on. Where between the
# calls it switches is not the same each time: a load looks at every program that the kernel
# has, and each is a call more.
killed_at_a_call() {
	local n now status first="" step=7

	[ "${SMTPWARD_TEST_FAULTS:-}" != 1 ] || step=1
	for ((n = 1; n < 10000; n += step)); do
		old_is_in_force || { echo "before $n"; return 1; }
		status=0
		new_load strace -qq -o /dev/null -e trace=bpf -e "inject=bpf:signal=KILL:when=$n" \
			2>/dev/null || status=$?
		now=$(probe)
		[[ $now == "$old" || $now == "$new" ]] || { echo "killed at $n: refused: $now"; return 1; }
		first=${first:-$now}
		[ "$status" -ne 0 ] || break
		((n % 2)) || new_is_in_force || { echo "after $n"; return 1; }
	done
	echo "$n calls"
	[[ $status -eq 0 && $n -gt 20 && $first == "$old" && $now == "$new" ]]
}

no_link_left() {
	local shown

	old_is_in_force && "$base" status --pins "$pins" && shown=$(bpftool cgroup show "$cgroup") || return 1
	[[ $shown == *smtpward_conn4* && $shown != *bind* ]] || { echo "$shown"; return 1; }
}

# By a version that does not know all of it.
unloads() {
	new_is_in_force && "$base" unload --pins "$pins" && decides $nothing && [ ! -e "$pins" ]
}

command -v strace >/dev/null || { echo "Bail out! there is no strace"; exit 1; }
check "a copy of the tree" prepare
check "the patch applies" applies hook.patch
check "... to five files at most" few_files hook.patch 5
check "... no text says that there are two hooks" texts_count_no_hooks
check "... and the tree builds" builds
check "nothing is loaded: nothing is refused" decides $nothing
check "the build without the hook: binds pass" old_is_in_force
check "the hook takes over: binds to the guarded port are refused" new_is_in_force
check "status lists three hooks in force" three_in_force
check "... each with a program of its own" programs_differ
check "the reader is told of three hooks" reader_is_told
check "a hook that was taken away: status says so, a load puts it back" taken_away
check "back to the build without it: binds pass, no link is left" no_link_left
check "loads with stdin closed" stdin_is_closed
check "... over a build without the hook" old_is_in_force
check "loads with stdin from /dev/null" stdin_is_null
check "loads with stdin, stdout and stderr closed" all_closed
check "killed at a bpf(2), any of them: one whole policy decides" killed_at_a_call
check "a downgrade: binds pass, no link is left" no_link_left
check "unloaded by the build without the hook" unloads
tap_end
