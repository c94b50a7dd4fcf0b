# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # whoever sources this uses them
#
# What differs by the architecture of the guests, and the private apt that fetches what
# they are made of. Sourced; needs die(), and $work where private_apt is used.
#
#   SMTPWARD_VM_ARCH    amd64 or arm64 (default: the machine's own)

machine_arch=$(dpkg --print-architecture)
arch=${SMTPWARD_VM_ARCH:-$machine_arch}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# thread=single, and no cmpxchg16b, because QEMU 7.2 gets two things wrong. The kernel's
# allocator uses that instruction, and the flags after it are not always right: memory
# corruption, double faults. With a thread a CPU, code that the kernel patched (static
# keys, tracepoints) is sometimes run as it was before: an int3 that nobody answers for.
# Neither costs time that could be measured. microvm is no way out: 6.12 hangs there.
# no_timer_check, because 5.10 panics where the timer comes late on a busy host.
# Without erms, the kernel copies 8 bytes at a time, where QEMU would do it byte by byte.
# slab_debug, because newer kernels allocate the marks of sockets with kmalloc_nolock(), which without
# cmpxchg16b works for caches that are debugged alone; F checks them and changes nothing.
# norandmaps, because QEMU translates code anew wherever it is at another address, and
# so for every process that is started. Each of the last two saves a third or more.
#
# On arm64, lpa2 is what QEMU has and 6.1 cannot start with, and pauth computed as the
# architecture says is most of what a guest does.
case $arch in
amd64)
	emulator=${SMTPWARD_VM_QEMU:-qemu-system-x86_64}
	emulator_package=qemu-system-x86
	machine_options=(-machine q35 -accel 'tcg,thread=single' -cpu 'max,-cx16,-erms,-fsrm')
	parameters='console=ttyS0 no_timer_check norandmaps slab_debug=F,kmalloc-*'
	results_options=(-serial chardev:results)
	results=ttyS1
	triplet=x86_64-linux-gnu
	;;
arm64)
	emulator=${SMTPWARD_VM_QEMU:-qemu-system-aarch64}
	emulator_package=qemu-system-arm
	machine_options=(-machine virt -accel 'tcg,thread=single'
		-cpu 'max,lpa2=off,pauth-impdef=on')
	parameters='console=ttyAMA0 norandmaps'
	# The machine has one serial port of its own, and Debian's kernels the driver of these.
	results_options=(-device 'pci-serial,chardev=results')
	results=ttyS0
	triplet=aarch64-linux-gnu
	;;
*) die "SMTPWARD_VM_ARCH=$arch: amd64 or arm64" ;;
esac

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || die "$tool is not installed"
	done
}

# The machine's own mirror of the archive that has a suite.
mirror_of() {
	local suite=$1 directory=/debian/ mirror
	[[ $suite == *-security ]] && directory=/debian-security/
	# shellcheck disable=SC2016 # the names in --format are apt's
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
		grep -F -m 1 -e "$directory") || die "no apt source ends in $directory: where is $suite?"
	printf '%s\n' "$mirror"
}

# private_apt TOOL ARGUMENT...: with nothing of the machine's but its mirror and proxy,
# for the guest's architecture.
private_apt() {
	local tool=$1
	shift
	"$tool" -q -o Dir::Etc::sourcelist="$work/sources.list" \
		-o Dir::Etc::sourceparts="$work/none" \
		-o Dir::Etc::preferences="$work/preferences" \
		-o Dir::Etc::preferencesparts="$work/none" \
		-o Dir::State::lists="$work/lists" \
		-o Dir::State::status="$work/status" \
		-o Dir::Cache="$work/cache" \
		-o APT::Architecture="$arch" -o APT::Architectures="$arch" \
		-o APT::Sandbox::User=root \
		-o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

# open_private_apt SUITE...: with these suites, in $work.
open_private_apt() {
	local suite mirror
	[[ -r $keyring ]] || die "$keyring is missing: install debian-archive-keyring"
	mkdir -p "$work"/{none,lists/partial,cache/archives/partial,debs,files,result}
	: >"$work/status"
	# The highest version, from whichever suite: backports and experimental stand back else.
	printf 'Package: *\nPin: origin *\nPin-Priority: 500\n' >"$work/preferences"
	for suite; do
		mirror=$(mirror_of "$suite")
		printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite"
	done >"$work/sources.list"
	private_apt apt-get update >"$work/log" 2>&1 ||
		die "$*: cannot read the suite: $(tail -n 3 "$work/log")"
}
