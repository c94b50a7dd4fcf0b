# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The parts of tests/bench/run that have a reader: floods, and single lines. Sourced.
#
# shellcheck disable=SC2154 # set by run, contenders and parts: cgroup, answer, pins, ...

# flood: two processes on whatever CPUs there are, beside a reader; each attempt is accounted
# for, by the kernel's counters and by what is in the file at the end.

declare -A flood_titles=([one]='one cgroup' [two]='two cgroups' [each]='a record each')
floods=(file/one file/two file/each syslog/one syslog/two syslog/each journal/one journal/two
	journal/each)

part_flood() {
	local round flood

	start_rsyslogd
	start_journald
	for ((round = 0; round < $(rounds_of 25); round++)); do
		for flood in $(shuffled "${floods[@]}"); do
			time_flood "${flood%/*}" "${flood#*/}" "$round"
		done
	done
	kill "$rsyslogd_pid" "$journald_pid"
	wait "$rsyslogd_pid" "$journald_pid" || true
}

# Both daemons as Debian ships them: rsyslogd writes to /var/log/auth.log.

start_rsyslogd() {
	in_cgroup rsyslogd.service rsyslogd -n -i "$work/rsyslogd.pid" >"$work/said" 2>&1 &
	rsyslogd_pid=$!
	children+=("$rsyslogd_pid")
	listens rsyslogd /dev/log
}

# systemd tells it of a service's own settings by such links: here, those of smtpward.service.
start_journald() {
	local units=/run/systemd/units

	mkdir -p /run/systemd/journal "$units"
	ln -s "$(setting LogRateLimitIntervalSec)000000" "$units/log-rate-limit-interval:logger.service"
	ln -s "$(setting LogRateLimitBurst)" "$units/log-rate-limit-burst:logger.service"
	in_cgroup journald.service /lib/systemd/systemd-journald >"$work/said" 2>&1 &
	journald_pid=$!
	children+=("$journald_pid")
	listens journald /run/systemd/journal/socket
}

setting() { # NAME: a number
	sed -n "s/^$1=\([0-9]*\)\$/\1/p" "$top/scripts/install/systemd/smtpward.service"
}

listens() { # DAEMON SOCKET
	local i

	for ((i = 0; i < 100; i++)); do
		[ ! -S "$2" ] || return 0
		sleep 0.1
	done
	die "$1 does not listen: $(cat "$work/said")"
}

time_flood() { # SINK KIND ROUND
	local lines=$work/tmp/$1 sink=$1 policy=default second=denied before used series=$1/$2

	case $1 in
	file) sink=$lines ;;
	syslog) lines=/var/log/auth.log ;;
	esac
	[ "$2" != each ] || policy=loud
	[ "$2" != two ] || second=idle
	mkdir -p "$cgroup/idle.service"
	: >"$lines"
	load "$policy"
	start_log "$sink" "$work/said"
	before=$(cpu_of logger rsyslogd journald)
	order flood 1 "$cgroup/denied.service" "$cgroup/$second.service"
	sample "rate/$series" "$3" $((answer[0] * 1000000 / (answer[1] / 1000)))
	lines_arrive "$1" "$lines" "$(counter recorded)"
	end_log
	used=$(($(cpu_of logger rsyslogd journald) - before))
	sample "cpu/$series" "$3" "$(awk -v u="$used" -v ns="${answer[1]}" 'BEGIN { print u * 1e5 / ns }')"
	sample "per-line/$series" "$3" \
		"$(awk -v u="$used" -v n="$(counter recorded)" 'BEGIN { print u / n }')"
	account "$series" "$3" "${answer[0]}" "$1" "$lines"
	unload
}

# Microseconds of CPU time.
cpu_of() { # CGROUP...
	local service

	for service in "$@"; do
		cat "$cgroup/$service.service/cpu.stat"
	done | awk '$1 == "usage_usec" { n += $2 } END { printf "%d", n }'
}

# What this log has written, into FILE if it is not there by itself.
take_lines() { # SINK FILE
	[ "$1" != journal ] ||
		journalctl --quiet --no-pager --output=cat "_PID=$log_pid" SYSLOG_IDENTIFIER=smtpward >"$2"
}

lines_arrive() { # SINK FILE COUNT
	local i

	for ((i = 0; i < 600; i++)); do
		take_lines "$1" "$2"
		[ "$(grep -c ' verdict=' "$2")" -lt "$3" ] || return 0
		sleep 0.1
	done
	die "of $3 lines only $(grep -c ' verdict=' "$2") are in the $1"
}

account() { # SERIES ROUND ATTEMPTS SINK FILE
	local recorded suppressed lost

	recorded=$(counter recorded)
	suppressed=$(counter suppressed)
	lost=$(counter lost)
	[ $((recorded + suppressed + lost)) -eq "$3" ] ||
		die "$1: $3 attempts, but $recorded + $suppressed + $lost in the kernel's counters"
	accounted "$4" "$5" "$recorded $suppressed $lost" ||
		die "$1: not the same in the file: $recorded lines, $suppressed suppressed, $lost lost"
	sample "lines/$1" "$2" "$recorded"
	sample "suppressed/$1" "$2" "$suppressed"
	sample "lost/$1" "$2" "$lost"
}

# Whether the file says the same. Through syslog the sums come last, and maybe a while later.
accounted() { # SINK FILE SUMS
	local i

	for ((i = 0; i < 100; i++)); do
		take_lines "$1" "$2"
		[ "$(sums_of "$2")" != "$3" ] || return 0
		sleep 0.1
	done
	return 1
}

sums_of() { # FILE
	awk '/ verdict=/ { lines++ }
		match($0, / suppressed=[0-9]+/) { suppressed += substr($0, RSTART + 12, RLENGTH - 12) }
		match($0, / lost=[0-9]+/) { lost += substr($0, RSTART + 6, RLENGTH - 6) }
		END { print lines + 0, suppressed + 0, lost + 0 }' "$1"
}

rows_flood() {
	local flood title

	for flood in "${floods[@]}"; do
		title="(i) two processes, ${flood_titles[${flood#*/}]}, log to ${flood%/*}"
		show "rate/$flood" /s '>500000' "$title: attempts"
		show "lines/$flood" - - "$title: lines"
		show "suppressed/$flood" - - "$title: suppressed"
		show "lost/$flood" - - "$title: lost"
		show "cpu/$flood" % - "$title: CPU of log and daemon, of one CPU in the flood's time"
		[[ $flood != */each ]] ||
			show "per-line/$flood" us - "$title: CPU of log and daemon, by line"
	done
}

# lines: from connect(2) to its line in the file, one attempt at a time; then log's memory.

part_lines() {
	local round n=2000

	[ -z "$short" ] || n=100
	load loud
	start_log "$work/tmp/lines" "$work/said"
	order enter "$cgroup/denied.service" "$denied_uid"
	: >"$work/tmp/lines"
	for ((round = 0; round < $(rounds_of 25); round++)); do
		order lines "$work/tmp/lines" "$n"
		sample line/median "$round" "${answer[0]}"
		sample line/p99.9 "$round" "${answer[1]}"
		sample line/max "$round" "${answer[2]}"
	done
	sample memory/log/rss 0 "$(memory_of_log VmRSS)"
	sample memory/log/peak 0 "$(memory_of_log VmHWM)"
	sample memory/log/own 0 "$(memory_of_log RssAnon)"
	end_log
	unload
}

memory_of_log() { # FIELD: in KiB
	awk -v field="$1:" '$1 == field { print $2 }' "/proc/$log_pid/status"
}

rows_lines() {
	show line/median us - "(k) connect to line in the file: median"
	show line/p99.9 us '<10000' "(k) connect to line in the file: p99.9"
	show line/max us - "(k) connect to line in the file: worst"
	show memory/log/rss KiB '<6144' "(j) log after these lines: VmRSS"
	show memory/log/peak KiB - "(j) log after these lines: VmHWM"
	show memory/log/own KiB - "(j) log after these lines: RssAnon"
}
