# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Functions for scripts/run and scripts/test, which source this file: they install Debian
# packages, and build.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build_packages=(bpftool clang gcc libbpf-dev libc6-dev libelf-dev libjansson-dev libmd-dev make
	pkg-config zlib1g-dev)

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

need_root() {
	[ "$(id -u)" -eq 0 ] || die "this needs root: sudo $0"
}

# Installs the named packages that are missing, and prints their names.
install_packages() {
	local missing=() name

	for name in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
			missing+=("$name")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	echo "installing ${missing[*]}" >&2
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq >&2 || die "apt-get update failed"
	apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 \
		"${missing[@]}" </dev/null >&2 ||
		die "cannot install ${missing[*]}"
}

# Builds targets; prints nothing if the build works without a message.
build() {
	make -C "$top" --no-print-directory --silent -j"$(nproc)" "$@" >&2 || die "the build failed"
}
