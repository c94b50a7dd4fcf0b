# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The part packets of tests/bench/run: what the pieces of the second layer cost those whose packets
# they let pass, beside an nftables rule at the same places. Sourced.
#
# shellcheck disable=SC2154,SC2034 # of run, contenders and parts: answer, rounds, titles, ...

layers=(none connect pass raw gate all nft)

declare -A layer_titles=(
	[none]='no program'
	[connect]='smtpward, packets off'
	[pass]='packets on'
	[raw]='packets on, raw deny'
	[gate]='packets on, uplink, raw allow'
	[all]='packets on, uplink: all pieces'
	[nft]='nftables in output and forward')

layer_works=(pingpong bulk accepted accepted25 forward sockopt)

declare -A layer_work_titles=(
	[pingpong]='ping-pong'
	[bulk]='1 MiB'
	[accepted]='connect, accept, reset'
	[accepted25]='the same, allowed, to port 25'
	[forward]='forwarded ping-pong'
	[sockopt]='setsockopt')

# How much more all pieces may take than no program does.
declare -A layer_limits=([pingpong]='<1.05' [bulk]='<1.02' [accepted]='<1.10')

layer_settings() { # LAYER
	case $1 in
	connect) echo 'packets off' ;;
	pass) printf '%s\n' 'packets on' 'raw allow' ;;
	raw) printf '%s\n' 'packets on' 'raw deny' ;;
	gate) printf '%s\n' 'packets on' 'uplink bench0' 'raw allow' 'deny guest none0' ;;
	all) printf '%s\n' 'packets on' 'uplink bench0' 'deny guest none0' ;;
	esac
}

layer_on() { # LAYER
	case $1 in
	none) ;;
	nft) layer_nft ;;
	*)
		{
			layer_settings "$1"
			cat "$work/default.conf"
		} >"$work/layer_$1.conf"
		load "layer_$1"
		;;
	esac
}

layer_off() { # LAYER
	case $1 in
	none) ;;
	nft) nft flush ruleset ;;
	*) unload ;;
	esac
}

layer_nft() {
	nft -f - <<-END
		table inet bench {
			chain smtp {
				socket cgroupv2 level 2 "$name/allowed.service" accept
				reject with tcp reset
			}
			chain output {
				type filter hook output priority 0
				tcp dport 25 tcp flags & (syn | ack) == syn jump smtp
			}
			chain forward {
				type filter hook forward priority 0
				tcp dport 25 tcp flags & (syn | ack) == syn reject with tcp reset
			}
		}
	END
}

layer_prove() { # LAYER
	local refusal=EPERM

	order enter "$cgroup/allowed.service" 0
	prove_try "$1" 25 none reached
	order enter "$cgroup/denied.service" "$denied_uid"
	prove_try "$1" 2525 none reached
	case $1 in
	none) prove_try "$1" 25 none reached && return ;;
	nft) refusal=ECONNREFUSED ;;
	esac
	prove_try "$1" 25 "$refusal" unreached
	[[ $1 != gate && $1 != all ]] || layer_prove_gate "$1"
}

# The allowed connect left by the gate; what is forwarded has no pass.
layer_prove_gate() { # LAYER
	"$smtpward" status --pins "$pins" >"$work/said" || die "$1: $(cat "$work/said")"
	grep -q 'let_out=1 .*guest_denied=0' "$work/said" || die "$1: $(cat "$work/said")"
	! ip netns exec inner timeout 0.3 bash -c ': 2>/dev/null </dev/tcp/192.0.2.2/25' ||
		die "$1: a guest gets out"
}

part_packets() {
	local round layer task service

	for ((round = 0; round < rounds; round++)); do
		for layer in $(shuffled "${layers[@]}"); do
			layer_on "$layer"
			layer_prove "$layer"
			for task in $(shuffled "${layer_works[@]}"); do
				service=denied
				[ "$task" != accepted25 ] || service=allowed
				order enter "$cgroup/$service.service" 0
				time_work layer "$task" "layer/$layer" "$round"
			done
			layer_off "$layer"
		done
	done
}

rows_packets() {
	local task layer aim

	for task in "${layer_works[@]}"; do
		for layer in "${layers[@]}"; do
			show "$task/layer/$layer" ns - "${layer_work_titles[$task]}: ${layer_titles[$layer]}"
		done
		for layer in "${layers[@]:1}"; do
			aim=-
			[ "$layer" != all ] || aim=${layer_limits[$task]:--}
			ratio "$task/layer/$layer" "$task/layer/none" "$aim" \
				"${layer_work_titles[$task]}: ${layer_titles[$layer]} / no program"
		done
	done
}
