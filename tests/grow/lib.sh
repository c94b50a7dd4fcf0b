# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What tests/grow has in common: a copy of the tree that a patch is applied to, and a
# place of its own where what comes of it is loaded. Sourced, by who has unshared mounts
# and network.

# shellcheck source=tests/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(realpath "$here/../..")
base=$(realpath -e "${SMTPWARD:-$top/out/smtpward}") || exit 1
work=$(mktemp -d) || exit 1
tree=$work/tree
grown=$tree/out/smtpward
pins=$work/bpf/pins
v2_root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
cgroup=$v2_root/smtpward-grow-$$
reader= # process id of a log that runs
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

clean_up() {
	[ ! "$reader" ] || { kill "$reader" 2>/dev/null && wait "$reader"; }
	[ ! -e "$pins" ] || "$base" unload --pins "$pins" 2>/dev/null
	[ ! -d "$cgroup" ] || rmdir "$cgroup"
	! mountpoint -q "$work/bpf" || umount "$work/bpf"
	rm -rf "$work" "$tap_output"
}

make_place() {
	[ "$v2_root" ] && mkdir "$work/bpf" "$cgroup" && mount -t bpf bpf "$work/bpf" &&
		mount -t tmpfs -o mode=0755 tmpfs /var/lib && mkdir -p /run/smtpward &&
		mount -t tmpfs -o mode=0755 tmpfs /run/smtpward
}

copy_tree() {
	rm -rf "$tree" && mkdir "$tree" &&
		(cd "$top" && cp -a bpf user include Makefile LICENSE README.md scripts "$tree")
}

# PATCH
applies() {
	patch --batch --fuzz=0 -d "$tree" -p1 <"$here/$1"
}

# PATCH MOST: it changes or adds so many files at most, all of them the product's.
few_files() {
	local n product

	n=$(grep -c '^+++ ' "$here/$1")
	product=$(grep -cE '^\+\+\+ b/((bpf|user|include)/|(Makefile|README\.md)$)' "$here/$1")
	[[ $n -gt 0 && $n -le $2 && $n -eq $product ]] ||
		{ echo "$n files, $product of the product"; return 1; }
}

builds() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u OUT -u SANITIZE \
		make -C "$tree" -j "$(nproc)" all && [ -x "$grown" ]
}

in_cgroup() {
	(echo "$BASHPID" >"$cgroup/cgroup.procs" && exec "$@")
}
