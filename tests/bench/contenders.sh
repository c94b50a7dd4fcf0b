# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The contenders of tests/bench/run: on_NAME puts one in force, off_NAME takes it off. All
# have the same rule: port 25 is for allowed.service, everyone else is refused. Sourced.
#
# shellcheck disable=SC2154 # set by run: cgroup, name, work, pins, smtpward, ...

contenders=(none return1 return0 smtpward record logged rules256 audit nftables ulogd iptables owner
	systemd)
[ -z "${BASELINE:-}" ] || contenders+=(baseline baseline_record)
[ -z "${CONTENDERS:-}" ] || read -r -a contenders <<<"$CONTENDERS"

declare -A titles=(
	[none]='no program'
	[return1]='a program that returns 1'
	[return0]='a program that returns 0'
	[smtpward]='smtpward'
	[record]='smtpward, a record each'
	[logged]='smtpward, a record each, log reading'
	[rules256]='smtpward, 256 rules'
	[audit]='smtpward, audit mode'
	[baseline]='baseline' [baseline_record]='baseline, a record each'
	[nftables]='nftables socket cgroupv2'
	[ulogd]='nftables, log group, ulogd2 reading'
	[iptables]='iptables -m cgroup --path'
	[owner]='iptables -m owner'
	[systemd]='systemd IPAddressDeny=any')

# What a connect to port 25 ends with where the rule does not allow it.
declare -A refusals=(
	[none]=none [return1]=none [audit]=none
	[return0]=EPERM
	[smtpward]=EPERM [record]=EPERM [logged]=EPERM [rules256]=EPERM
	[baseline]=EPERM [baseline_record]=EPERM
	[nftables]=ECONNREFUSED [ulogd]=ECONNREFUSED [iptables]=ECONNREFUSED [owner]=ECONNREFUSED
	# It drops packets: connect(2) goes on trying for minutes.
	[systemd]=EINPROGRESS)

# The works that are measured. A refusal is no work of those that do not refuse, and one that
# waits for an answer none of systemd's, which lets nothing at all through.
declare -A works=(
	[none]='allowed other udp pingpong bulk cgroup'
	[return1]='allowed other udp pingpong bulk cgroup'
	[return0]='refused attempt'
	[smtpward]='refused attempt allowed other udp pingpong bulk cgroup'
	[record]='refused attempt'
	[logged]='refused attempt'
	[rules256]='refused attempt allowed other udp pingpong bulk cgroup'
	[audit]='allowed other udp'
	[baseline]='refused attempt allowed other udp pingpong bulk cgroup'
	[baseline_record]='refused attempt'
	[nftables]='refused attempt allowed other udp pingpong bulk'
	[ulogd]='refused attempt'
	[iptables]='refused attempt allowed other udp pingpong bulk'
	[owner]='refused attempt allowed other udp pingpong bulk'
	[systemd]='dropped udp')

# The uid of those who are refused; 0 is allowed, which is all that -m owner can tell.
denied_uid=65534

on_none() { :; }
off_none() { :; }

on_return1() { order attach "$cgroup" 1; }
off_return1() { order detach; }
on_return0() { order attach "$cgroup" 0; }
off_return0() { order detach; }

on_smtpward() { load default; }
off_smtpward() { unload; }
on_rules256() { load rules256; }
off_rules256() { unload; }
on_audit() { load audit; }
off_audit() { unload; }

# The ring buffer is emptied between batches, which it has room for, by moving the reader's
# position: nothing is lost, and no reader is woken.
on_record() {
	load loud
	order ring "$pins/map_events"
}

off_record() {
	[ "$(counter lost)" -eq 0 ] || die "records were lost: the ring buffer is too small"
	order ring -
	unload
}

# Another build.
on_baseline() { program=$BASELINE on_smtpward; }
off_baseline() { program=$BASELINE off_smtpward; }
on_baseline_record() { program=$BASELINE on_record; }
off_baseline_record() { program=$BASELINE off_record; }

# A real reader sleeps whenever it has caught up.
on_logged() {
	load loud
	start_log stderr /dev/null
}

off_logged() {
	end_log
	unload
}

# One chain for port 25 alone, so that other packets pass one rule. The cgroups are named
# below the v2 root; each has to be there when the rule loads. A reset and not the ICMP error that
# is the default: that comes while connect(2) still holds its socket, is taken for one that
# will pass (tcp_v4_err() in net/ipv4/tcp_ipv4.c), and the call waits a second for its next SYN.

on_nftables() { nft_allow allowed.service; }
off_nftables() { nft flush ruleset; }

# What is refused has a record too: nfnetlink_log hands the packet to ulogd, which writes a line.
on_ulogd() {
	local i

	{
		echo '[global]'
		echo "logfile=\"$work/said\""
		for i in inppkt_NFLOG raw2packet_BASE filter_IFINDEX filter_IP2STR filter_PRINTPKT output_LOGEMU; do
			echo "plugin=\"$(echo /usr/lib/*/ulogd/ulogd_"$i".so)\""
		done
		echo 'stack=log5:NFLOG,base1:BASE,ifi1:IFINDEX,ip2str1:IP2STR,print1:PRINTPKT,emu1:LOGEMU'
		printf '%s\n' '[log5]' 'group=5' '[emu1]' "file=\"$work/tmp/ulogd\""
	} >"$work/ulogd.conf"
	in_cgroup logger.service ulogd -c "$work/ulogd.conf" >"$work/said" 2>&1 &
	ulogd_pid=$!
	children+=("$ulogd_pid")
	# A socket of this namespace that listens to the group.
	for ((i = 0; i < 100; i++)); do
		! grep -q '^ *5 ' /proc/net/netfilter/nfnetlink_log || break
		sleep 0.05
	done
	[ "$i" -lt 100 ] || die "ulogd does not listen: $(cat "$work/said")"
	nft_allow_logging 'log prefix "refused " group 5' allowed.service
}

off_ulogd() {
	nft flush ruleset
	kill "$ulogd_pid"
	wait "$ulogd_pid" || true
	unset 'children[-1]'
	grep -q 'DPT=25 ' "$work/tmp/ulogd" || die "ulogd has written no line: $(cat "$work/said")"
	rm "$work/tmp/ulogd"
}

nft_allow() { # CGROUP... below ours
	nft_allow_logging '' "$@"
}

nft_allow_logging() { # LOG CGROUP...
	local path levels log=$1
	shift

	{
		echo 'table inet bench {'
		echo 'chain output { type filter hook output priority 0; tcp dport 25 jump smtp; }'
		echo 'chain smtp {'
		for path in "$@"; do
			levels=$(tr -dc / <<<"$path" | wc -c)
			echo "socket cgroupv2 level $((levels + 2)) \"$name/$path\" accept"
		done
		echo "$log reject with tcp reset; }; }"
	} >"$work/nftables"
	nft -f - <"$work/nftables"
}

on_iptables() { iptables_accept "-m cgroup --path $name/allowed.service"; }
off_iptables() { nft flush ruleset; }
on_owner() { iptables_accept '-m owner --uid-owner 0'; }
off_owner() { nft flush ruleset; }

iptables_accept() { # MATCH...
	{
		printf '%s\n' '*filter' ':SMTP - [0:0]' '-A OUTPUT -p tcp --dport 25 -j SMTP'
		printf -- '-A SMTP %s -j ACCEPT\n' "$@"
		printf '%s\n' '-A SMTP -p tcp -j REJECT --reject-with tcp-reset' COMMIT
	} | iptables-nft-restore
}

# systemd's own programs, loaded by systemd itself: its user manager as root, in a cgroup of
# ours. Whether the machine was booted with systemd makes no difference to it; it asks for
# this directory.
start_systemd() {
	local i

	mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR" "$cgroup/manager"
	HOME=$work in_cgroup manager /lib/systemd/systemd --user --unit=basic.target \
		>"$work/systemd" 2>&1 &
	children+=("$!")
	for ((i = 0; i < 100; i++)); do
		[ ! -S "$XDG_RUNTIME_DIR/systemd/private" ] || return 0
		sleep 0.1
	done
	return 1
}

on_systemd() {
	systemd-run --user --quiet --collect --unit deny -p IPAddressDeny=any sleep infinity
}

# It kills who is in there: not us.
off_systemd() {
	order enter "$cgroup/denied.service" 0
	systemctl --user --quiet stop deny
}

# Where the work is done: (b) in the cgroup that is allowed; the others, where it is not.
enter_for() { # CONTENDER WORK
	case $1/$2 in
	systemd/*) order enter "$cgroup/manager/app.slice/deny.service" "$denied_uid" ;;
	audit/*) order enter "$cgroup/denied.service" "$denied_uid" ;;
	*/allowed | */cgroup) order enter "$cgroup/allowed.service" 0 ;;
	*) order enter "$cgroup/denied.service" "$denied_uid" ;;
	esac
}

expected() { # CONTENDER WORK
	case $2 in
	refused | attempt | dropped) echo "${refusals[$1]}" ;;
	other) echo ECONNREFUSED ;;
	*) echo none ;;
	esac
}

# Beside live listeners: who should not get through does not, everyone and everything else does. A
# program that only returns 0 lets nothing through, and is there for what a refusal takes at least.
prove() { # CONTENDER
	local refusal=${refusals[$1]}

	enter_for "$1" refused
	[ "$refusal" != none ] || prove_try "$1" 25 none reached
	[ "$refusal" = none ] || prove_try "$1" 25 "$refusal" unreached
	[ "$1" != return0 ] || return 0
	[ "$1" = systemd ] || prove_try "$1" 2525 none reached
	order enter "$cgroup/allowed.service" 0
	prove_try "$1" 25 none reached
}

prove_try() { # CONTENDER PORT ERROR REACHED
	order try "$2"
	[ "${answer[*]}" = "$3 $4" ] ||
		die "$1 does not do what it should: a connect to port $2 ended with ${answer[*]}, not $3 $4"
}
