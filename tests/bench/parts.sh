# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The parts of tests/bench/run: for each of them part_NAME measures and appends to
# $samples, and rows_NAME names the rows of the table. Sourced.
#
# shellcheck disable=SC2154 # set by run: cgroup, from_driver, name, out, pins, samples, ...

connect_rounds=${ROUNDS:-20}
load_rounds=${ROUNDS:-15}

# The policies. "Silent" ones hold all but the first line back, "loud" ones none.

write_policies() {
	local i silent='limit 1/h burst 1' loud='limit 1000000/s burst 1000000'
	local default=$'ports 25\nmode enforce\nallow to 127.0.0.0/8, ::1'

	printf '%s\n' "$default" >"$work/default.conf"
	printf '%s\n' "$default" "$silent" >"$work/silent.conf"
	printf '%s\n' "$default" "$loud" >"$work/loud.conf"
	for ((i = 0; i < 256; i++)); do
		every_condition "$i"
	done >"$work/rules256.conf"
	{
		printf '%s\n' "$silent"
		cat "$work/rules256.conf"
	} >"$work/silent256.conf"
}

# A rule that asks for a unit or a cgroup, and for everything else. None allows what is
# called here; the cgroups named a*.service are half of those that many_cgroups makes.
every_condition() {
	local i=$1 where="unit unit-$1-*.service"

	[ $((i % 2)) -eq 0 ] || where="cgroup /$name/*/*/a$((i % 10))*.service, /other/$i"
	echo "allow $where user $((1000 + i)) group $((2000 + i))" \
		"to 198.51.100.$i, 2001:db8:$i::/48 port 25"
}

sample() { # SERIES ROUND VALUE
	printf 'sample\t%s\t%s\t%s\n' "$@" >>"$samples"
}

show() { # SERIES UNIT AIM TITLE
	printf 'show\t%s\t%s\t%s\t%s\n' "$@"
}

ratio() { # SERIES SERIES AIM TITLE
	printf 'ratio\t%s\t%s\t%s\t%s\n' "$@"
}

shuffled() { # WORD...
	shuf -e -- "$@"
}

# Gives an order to connect.c; the answer's words are in the array answer.
order() {
	printf '%s\n' "$*" >&"$to_driver"
	read -r -a answer <&"$from_driver" || die "connect ended at: $*"
}

load() { # POLICY [CGROUP]
	"$smtpward" load -q -c "$work/$1.conf" --cgroup "${2:-$cgroup/caller}" --pins "$pins" 2>"$work/said" ||
		die "cannot load $1: $(cat "$work/said")"
}

unload() {
	"$smtpward" unload -q --pins "$pins"
}

counter() { # NAME
	"$smtpward" status --json --pins "$pins" | sed -n "s/^ *\"$1\": \([0-9]*\),*\$/\1/p"
}

# Runs log, with its lines to nowhere; its process is in log_pid.
start_log() { # SINK, and where a stream goes
	"$smtpward" log -q --pins "$pins" --to "$1" >"$2" 2>&1 &
	log_pid=$!
	children+=("$log_pid")
}

end_log() {
	kill "$log_pid"
	wait "$log_pid" || die "log failed"
	unset 'children[-1]'
}

# connect: what a connect(2) takes.

contenders=(none return1 return0 silent loud silent256 logged)
targets=(guarded guarded-whole other other-whole udp)

part_connect() {
	local round contender

	for ((round = 0; round < connect_rounds; round++)); do
		for contender in $(shuffled "${contenders[@]}"); do
			attach "$contender"
			time_targets "$contender" "$round"
			detach "$contender"
		done
	done
}

# The ring buffer of "loud" is emptied between batches, which it has room for, by moving
# the reader's position, so nothing is lost and no reader is woken; "logged" has a real
# reader, which sleeps whenever it has caught up.
attach() {
	case $1 in
	none) ;;
	return?)
		# Beside a policy that is loaded for another cgroup: a load leaves caches cold, and
		# that is not to be taken for what its programs cost.
		load silent "$cgroup/idle"
		order attach "${1#return}"
		;;
	logged)
		load loud
		start_log stderr /dev/null
		;;
	*) load "$1" ;;
	esac
	[ "$1" != loud ] || order ring "$pins/map_events"
	# What a load leaves to be done, on whichever CPU, is not to be in the figures.
	sleep 0.05
}

detach() {
	case $1 in
	none) ;;
	return?)
		order detach
		unload
		;;
	loud)
		[ "$(counter lost)" -eq 0 ] || die "loud lost records: the ring buffer is too small"
		order ring -
		unload
		;;
	logged)
		lost_records
		end_log
		unload
		;;
	*) unload ;;
	esac
}

lost_records() {
	local recorded

	recorded=$(counter recorded)
	sample "connect/logged/lost" "$round" \
		"$(awk -v r="$recorded" -v l="$(counter lost)" 'BEGIN { print 100 * l / (r + l) }')"
}

time_targets() { # CONTENDER ROUND
	local contender=$1 round=$2 target calls

	for target in $(shuffled "${targets[@]}"); do
		# "return 0" refuses everything: it is the floor of a refusal and of nothing else.
		[[ $contender != return0 || $target == guarded* ]] || continue
		calls=500
		# What a reader can take in while it is slower than its writers.
		[[ $contender/$target != logged/guarded* ]] || calls=100
		order time "$target" 1 100
		order time "$target" 11 "$calls"
		[ "${answer[2]}" = "$(expected "$contender" "$target")" ] ||
			die "$contender: connect to $target ended with ${answer[2]}"
		sample "connect/$contender/$target" "$round" "${answer[0]}"
		sample "instructions/$contender/$target" "$round" "${answer[1]}"
	done
}

expected() { # CONTENDER TARGET
	case $1/$2 in
	*/udp) echo none ;;
	none/* | return1/* | silent*/other* | lo*/other*) echo ECONNREFUSED ;;
	*) echo EPERM ;;
	esac
}

declare -A contender_titles=(
	[none]='no program' [return1]='return 1 alone' [return0]='return 0 alone'
	[silent]='default policy, lines suppressed'
	[loud]='default policy, a record each' [silent256]='256 rules, lines suppressed'
	[logged]='default policy, a record each, log reading')
declare -A target_titles=([guarded]='TCP :25' [guarded-whole]='TCP :25, socket to close'
	[other]='TCP other port' [other-whole]='TCP other port, socket to close' [udp]='UDP :25')

rows_connect() {
	local contender target

	for target in "${targets[@]}"; do
		for contender in "${contenders[@]}"; do
			show "connect/$contender/$target" ns - \
				"${target_titles[$target]}: ${contender_titles[$contender]}"
		done
	done
	for contender in silent loud silent256 logged; do
		ratio "connect/$contender/guarded" connect/none/other '<0.15' \
			"refused / closed port: ${contender_titles[$contender]}"
		ratio "connect/$contender/guarded-whole" connect/none/other-whole - \
			"... from socket to close: ${contender_titles[$contender]}"
	done
	for contender in silent loud silent256; do
		ratio "connect/$contender/other" connect/return1/other =1 \
			"other port / return 1: ${contender_titles[$contender]}"
	done
	for contender in silent loud silent256; do
		ratio "connect/$contender/udp" connect/return1/udp - \
			"UDP :25 / return 1: ${contender_titles[$contender]}"
	done
	for target in "${targets[@]}"; do
		for contender in "${contenders[@]}"; do
			[ "$contender" = logged ] || show "instructions/$contender/$target" instr - \
				"${target_titles[$target]}: ${contender_titles[$contender]}"
		done
	done
	show connect/logged/lost % - "records lost with log reading"
}

# load: from exec to exit, of a first load and of one over a loaded policy.

part_load() {
	local round

	for ((round = 0; round < load_rounds; round++)); do
		time_loads default none "$round"
		time_loads rules256 none "$round"
	done
	many_cgroups 5000
	for ((round = 0; round < load_rounds; round++)); do
		time_loads default 5000 "$round"
		time_loads rules256 5000 "$round"
	done
	many_cgroups 20000
	for ((round = 0; round < load_rounds; round++)); do
		time_loads rules256 20000 "$round"
	done
	remove_cgroups "$cgroup/many"
}

time_loads() { # POLICY CGROUPS ROUND
	time_load "load/$1/$2/first" "$1" "$3"
	time_load "load/$1/$2/again" "$1" "$3"
	unload
}

time_load() { # SERIES POLICY ROUND
	rm -f "$work/elapsed"
	"$out/elapsed" "$work/elapsed" "$smtpward" load -q -c "$work/$2.conf" \
		--cgroup "$cgroup" --pins "$pins" 2>"$work/said" || die "cannot load $2: $(cat "$work/said")"
	sample "$1" "$3" "$(cat "$work/elapsed")"
}

# So many cgroups in slices of a hundred; the rules of every_condition match half of them.
many_cgroups() { # COUNT
	local slice

	mkdir -p "$cgroup/many"
	for ((slice = 0; slice < $1 / 100; slice++)); do
		mkdir -p "$cgroup/many/s$slice.slice"/{a,b}{1,3,5,7,9}{0..9}.service
	done
	covers_half "$1"
}

# That the rules do cover what the figures say they cover.
covers_half() { # COUNT
	local entries

	load rules256 "$cgroup"
	entries=$(bpftool -j map dump pinned "$pins/policy/map_cgroups" | grep -o '"formatted"' | wc -l)
	unload
	[ "$entries" -ge $(($1 / 2)) ] || die "of $1 cgroups only $entries have an entry"
}

remove_cgroups() { # DIR
	find "$1" -depth -type d -exec rmdir {} +
}

rows_load() {
	show load/default/none/first ms '<150' "load, default policy"
	show load/default/none/again ms '<150' "load again, default policy"
	show load/rules256/none/first ms - "load, 256 rules"
	show load/rules256/none/again ms - "load again, 256 rules"
	show load/default/5000/first ms - "load, default policy, 5,000 cgroups"
	show load/default/5000/again ms - "load again, default policy, 5,000 cgroups"
	show load/rules256/5000/first ms '<1000' "load, 256 rules, 5,000 cgroups"
	show load/rules256/5000/again ms '<1000' "load again, 256 rules, 5,000 cgroups"
	show load/rules256/20000/first ms - "load, 256 rules, 20,000 cgroups"
	show load/rules256/20000/again ms - "load again, 256 rules, 20,000 cgroups"
}

# log: its memory, after ten thousand lines.

part_log() {
	local lines=0 i

	load loud
	start_log "$work/tmp/lines" "$work/said"
	for ((i = 1; i <= 10; i++)); do
		order time guarded 1 999
		while [ "$lines" -lt $((i * 1000)) ]; do
			kill -0 "$log_pid" || die "log ended: $(cat "$work/said")"
			sleep 0.02
			lines=$(wc -l <"$work/tmp/lines")
		done
	done
	sample log/rss 0 "$(memory_of_log VmRSS)"
	sample log/peak 0 "$(memory_of_log VmHWM)"
	sample log/own 0 "$(memory_of_log RssAnon)"
	end_log
	unload
	rm "$work/tmp/lines"
}

memory_of_log() { # FIELD: in MiB
	awk -v field="$1:" '$1 == field { print $2 / 1024 }' "/proc/$log_pid/status"
}

rows_log() {
	show log/rss MiB '<6' "log after 10,000 records, VmRSS"
	show log/peak MiB - "log after 10,000 records, VmHWM"
	show log/own MiB - "log after 10,000 records, RssAnon"
}

# flood: two processes with the default limit and a reader; each attempt accounted for.

part_flood() {
	local round

	mkdir -p "$cgroup/one" "$cgroup/two"
	for ((round = 0; round < 5; round++)); do
		time_flood limited/same default "$round" one one
		time_flood limited/apart default "$round" one two
		time_flood unlimited/same loud "$round" one one
	done
}

time_flood() { # SERIES POLICY ROUND CGROUP CGROUP
	local series=$1 round=$3 recorded suppressed lost missing

	load "$2" "$cgroup"
	start_log stderr /dev/null
	order flood guarded 1 "$cgroup/$4" "$cgroup/$5"
	recorded=$(counter recorded)
	suppressed=$(counter suppressed)
	lost=$(counter lost)
	missing=$((answer[0] - recorded - suppressed - lost))
	[ "$missing" -eq 0 ] || echo "$series: $missing attempts are not accounted for" >&2
	sample "flood/$series/rate" "$round" $((answer[0] * 1000000 / (answer[1] / 1000)))
	sample "flood/$series/missing" "$round" "$missing"
	sample "flood/$series/attempts" "$round" "${answer[0]}"
	sample "flood/$series/recorded" "$round" "$recorded"
	sample "flood/$series/suppressed" "$round" "$suppressed"
	sample "flood/$series/lost" "$round" "$lost"
	end_log
	unload
}

rows_flood() {
	local kind title

	for kind in limited/same limited/apart unlimited/same; do
		case $kind in
		limited/same) title="two processes, one cgroup" ;;
		limited/apart) title="two processes, two cgroups" ;;
		*) title="two processes, a record each, log reading" ;;
		esac
		show "flood/$kind/rate" /s - "$title: attempts"
		show "flood/$kind/recorded" lines - "$title: recorded"
		show "flood/$kind/suppressed" - - "$title: suppressed"
		show "flood/$kind/lost" - - "$title: lost"
		show "flood/$kind/missing" - =0 "$title: not accounted for"
	done
}
