# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The parts of tests/bench/run, readers.sh has the rest: for each of them part_NAME measures and appends to
# $samples, and rows_NAME names the rows of the table. Sourced.
#
# shellcheck disable=SC2154 # set by run and contenders: cgroup, from_driver, name, out, ...

# The policies.

write_policies() {
	local n

	printf '%s\n' 'allow to 127.0.0.0/8, ::1' "allow cgroup /$name/allowed.service" >"$work/default.conf"
	{
		echo 'mode audit'
		cat "$work/default.conf"
	} >"$work/audit.conf"
	# Nothing is held back.
	{
		echo 'limit 1000000/s burst 1000000'
		cat "$work/default.conf"
	} >"$work/loud.conf"
	for n in 1 4 16 64 256; do
		rules "$n" >"$work/rules$n.conf"
	done
	for n in 10 1000 20000; do
		{
			cat "$work/default.conf"
			echo "allow cgroup /$name/many$n/*"
		} >"$work/cgroups$n.conf"
	done
	for n in 2 8 16; do
		echo "allow cgroup /$name/$(deep "$n")/allowed.service" >"$work/depth$n.conf"
	done
}

# So many rules that ask for everything. User, group, address and port of who is refused
# satisfy all of them, and only the cgroup is another; the last one allows what is allowed.
# Half of the paths end with a star, and cover half of many20000.
rules() { # N
	local i where

	for ((i = 1; i < $1; i++)); do
		where="unit unit-$i-*.service"
		[ $((i % 2)) -eq 0 ] || where="cgroup /$name/many*/a$((i / 2 % 10))*, /other/$i"
		echo "allow $where $(conditions "$i")"
	done
	echo "allow cgroup /$name/allowed.service $(conditions 0)"
}

conditions() { # N
	echo "user 0, $denied_uid, $((1000 + $1)) group 0, $((1000 + $1))" \
		"to 192.0.2.0/24, 198.51.100.$1, 2001:db8:$1::/48 port 25"
}

# A cgroup path that has so many segments.
deep() { # N
	local i path=d1

	for ((i = 2; i <= $1; i++)); do
		path+=/d$i
	done
	echo "$path"
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

# A share of the rounds of connect, and one at least.
rounds_of() { # PERCENT
	local n=$((rounds * $1 / 100))

	echo $((n > 1 ? n : 1))
}

# Gives an order to measure.c; the answer's words are in the array answer.
order() {
	printf '%s\n' "$*" >&"$to_driver"
	read -r -a answer <&"$from_driver" || die "measure ended at: $*"
}

load() { # POLICY
	"${program:-$smtpward}" load -q -c "$work/$1.conf" --cgroup "$cgroup" --pins "$pins" 2>"$work/said" ||
		die "cannot load $1: $(cat "$work/said")"
}

unload() {
	"${program:-$smtpward}" unload -q --pins "$pins"
}

counter() { # NAME
	"${program:-$smtpward}" status --json --pins "$pins" | sed -n "s/^ *\"$1\": \([0-9]*\),*\$/\1/p"
}

# To be run in the background: it becomes the command.
in_cgroup() { # CGROUP COMMAND [ARGUMENT]...
	exec bash -c 'echo 0 >"$0/cgroup.procs" && exec "$@"' "$cgroup/$1" "${@:2}"
}

# Runs log until it can be ended again; its process is in log_pid.
start_log() { # SINK, and where a stream goes
	local i

	in_cgroup logger.service "$smtpward" log -q --pins "$pins" --to "$1" >"$2" 2>&1 &
	log_pid=$!
	children+=("$log_pid")
	for ((i = 0; i < 100; i++)); do
		! grep -qs '^SigBlk:.*[1-9]' "/proc/$log_pid/status" || return 0
		sleep 0.05
	done
	die "log does not start: $(cat "$2")"
}

end_log() {
	kill "$log_pid"
	wait "$log_pid" || die "log failed"
	unset 'children[-1]'
}

remove_cgroups() { # DIR
	find "$1" -depth -type d -exec rmdir {} +
}

# connect: what calls take.

# Short batches and many: some are not disturbed.
declare -A units=([refused]=200 [attempt]=100 [dropped]=100 [allowed]=50 [other]=100 [udp]=300
	[pingpong]=50 [bulk]=2 [cgroup]=8 [forward]=50 [accepted]=50 [accepted25]=50 [sockopt]=1000)
declare -A work_titles=(
	[refused]='(a) refused connect to port 25'
	[attempt]='(a) the same from socket to close'
	[dropped]='(a) the same, not waiting, packets dropped'
	[allowed]='(b) allowed connect to port 25'
	[other]='(c) TCP connect to another port'
	[udp]='(d) UDP connect'
	[pingpong]='(e) TCP ping-pong, 1 byte'
	[bulk]='(e) TCP bulk, 1 MiB'
	[cgroup]='(g) make and remove a cgroup')
all_works=(refused attempt dropped allowed other udp pingpong bulk cgroup)

part_connect() {
	local round contender

	for ((round = 0; round < rounds; round++)); do
		for contender in $(shuffled "${contenders[@]}"); do
			"on_$contender"
			prove "$contender"
			# shellcheck disable=SC2086 # words
			for task in $(shuffled ${works[$contender]}); do
				enter_for "$contender" "$task"
				time_work "$contender" "$task" "$contender" "$round"
			done
			"off_$contender"
		done
	done
}

# Where this process is already.
time_work() { # CONTENDER WORK SERIES ROUND
	local calls=${units[$2]} batches=25

	[ -z "$short" ] || batches=3
	# What a reader can take in while it is slower than its writers.
	[[ $1/$2 != logged/* ]] || calls=100
	order time "$2" 1 "$calls"
	order time "$2" "$batches" "$calls"
	[ "${answer[3]}" = "$(expected "$1" "$2")" ] || die "$1: $2 ended with ${answer[3]}"
	sample "$2/$3" "$4" "${answer[0]}"
	[ "${answer[1]}" = 0.0 ] || sample "instructions/$2/$3" "$4" "${answer[1]}"
	[ "${answer[2]}" = 0.0 ] || sample "bpf/$2/$3" "$4" "${answer[2]}"
}

rows_connect() {
	local task contender other

	for task in "${all_works[@]}"; do
		for contender in "${contenders[@]}"; do
			show "$task/$contender" ns - "${work_titles[$task]}: ${titles[$contender]}"
		done
	done
	for contender in smtpward record rules256; do
		for other in nftables iptables owner; do
			ratio "refused/$contender" "refused/$other" '<0.12' \
				"refused: ${titles[$contender]} / ${titles[$other]}"
		done
	done
	ratio refused/logged refused/ulogd '<1' \
		"refused with a record: smtpward / ${titles[ulogd]}"
	ratio refused/record refused/return0 '<4.5' \
		"refused: ${titles[record]} / ${titles[return0]}"
	ratio refused/smtpward refused/baseline - "refused: smtpward / baseline"
	ratio refused/record refused/baseline_record - "refused: smtpward / baseline, a record each"
	for task in other udp pingpong bulk cgroup; do
		for contender in smtpward rules256; do
			# A tracker of cgroups cannot be for nothing where one is made.
			ratio "$task/$contender" "$task/return1" "$([ "$task" = cgroup ] && echo - || echo =1)" \
				"${work_titles[$task]}: ${titles[$contender]} / returns 1"
		done
	done
	for task in "${all_works[@]}"; do
		for contender in "${contenders[@]}"; do
			show "bpf/$task/$contender" ns - "in BPF, ${work_titles[$task]}: ${titles[$contender]}"
			show "instructions/$task/$contender" instr - \
				"${work_titles[$task]}: ${titles[$contender]}"
		done
	done
}

# scale: by rules, and by how deep the cgroup is.

rule_steps=(1 4 16 64 256)
depth_steps=(2 8 16)
scaled=(smtpward nftables iptables)

part_scale() {
	local round step
	local -a cases=()

	mkdir -p "$cgroup/$(deep 16)" "$cgroup"/many/{1..255}
	for step in "${depth_steps[@]}"; do
		mkdir "$cgroup/$(deep "$step")"/{allowed,denied}.service
		cases+=("${scaled[@]/%//depth/$step}")
	done
	for step in "${rule_steps[@]}"; do
		cases+=("${scaled[@]/%//rules/$step}")
	done
	for ((round = 0; round < $(rounds_of 75); round++)); do
		for step in $(shuffled "${cases[@]}"); do
			IFS=/ read -r -a step <<<"$step"
			time_step "${step[@]}" "$round"
		done
	done
}

time_step() { # CONTENDER KIND STEP ROUND
	local where=$cgroup task

	[ "$2" != depth ] || where=$cgroup/$(deep "$3")
	"on_$1_$2" "$3"
	for task in refused allowed other udp; do
		order enter "$where/denied.service" "$denied_uid"
		[ "$task" != allowed ] || order enter "$where/allowed.service" 0
		time_work "$1" "$task" "$1/$2/$3" "$4"
	done
	"off_$1"
}

on_smtpward_rules() { load "rules$1"; }
on_smtpward_depth() { load "depth$1"; }
on_nftables_depth() { nft_allow "$(deep "$1")/allowed.service"; }
on_iptables_depth() { iptables_accept "-m cgroup --path $name/$(deep "$1")/allowed.service"; }

on_nftables_rules() {
	local -a paths=(allowed.service)

	[ "$1" -eq 1 ] || mapfile -t paths < <(printf 'many/%s\n' $(seq $(($1 - 1))) && echo allowed.service)
	nft_allow "${paths[@]}"
}

on_iptables_rules() {
	local i
	local -a matches=()

	for ((i = 1; i < $1; i++)); do
		matches+=("-m cgroup --path $name/many/$i")
	done
	iptables_accept "${matches[@]}" "-m cgroup --path $name/allowed.service"
}

rows_scale() {
	local task contender step

	for task in refused allowed other udp; do
		for contender in "${scaled[@]}"; do
			for step in "${rule_steps[@]}"; do
				show "$task/$contender/rules/$step" ns - \
					"(f) $task, $step rules: ${titles[$contender]}"
			done
			for step in "${depth_steps[@]}"; do
				show "$task/$contender/depth/$step" ns - \
					"(f) $task, depth $step: ${titles[$contender]}"
			done
		done
	done
	for contender in "${scaled[@]}"; do
		ratio "refused/$contender/rules/256" "refused/$contender/rules/1" \
			"$([ "$contender" = smtpward ] && echo =1 || echo -)" \
			"refused, 256 rules / 1: ${titles[$contender]}"
	done
	ratio refused/smtpward/depth/16 refused/smtpward/depth/2 =1 "refused, depth 16 / 2: smtpward"
	for step in "${rule_steps[@]}"; do
		show "bpf/refused/smtpward/rules/$step" ns - "in BPF, refused, $step rules: smtpward"
	done
}

# load: from exec to exit, of a first load and of one over a loaded policy; what the maps
# take; and refused connects, by how many cgroups there are.

load_stages=(0 1000 20000)
loaded=(default rules256)
covered=(10 1000 20000)

part_load() {
	local stage round policy

	for stage in "${load_stages[@]}"; do
		[ "$stage" -eq 0 ] || many_cgroups "$stage"
		for ((round = 0; round < $(rounds_of 50); round++)); do
			for policy in $(shuffled "${loaded[@]}"); do
				time_loads "$policy" "$stage" "$round"
			done
		done
	done
	many_cgroups 10
	for stage in "${covered[@]}"; do
		covers "cgroups$stage" "$stage"
	done
	covers rules256 10000
	for ((round = 0; round < $(rounds_of 50); round++)); do
		for stage in $(shuffled "${covered[@]}"); do
			time_step smtpward cgroups "$stage" "$round"
		done
	done
	remove_cgroups "$cgroup/many10"
	remove_cgroups "$cgroup/many1000"
	remove_cgroups "$cgroup/many20000"
}

on_smtpward_cgroups() { load "cgroups$1"; }

time_loads() { # POLICY CGROUPS ROUND
	time_load "load/$1/$2" "$1" "$3"
	time_load "reload/$1/$2" "$1" "$3"
	[ "$3" -ne 0 ] || sample "memory/$1/$2" 0 "$(memory_of_maps)"
	unload
}

time_load() { # SERIES POLICY ROUND
	time_command "$1" "$3" load "$2"
}

# Milliseconds, and how many of them on a CPU: what else runs adds less to the latter.
time_command() { # SERIES ROUND COMMAND [ARGUMENT]...
	local TIMEFORMAT='%R %U %S'

	{ time "${@:3}" 2>&9; } 9>&2 2>"$work/time"
	sample "$1" "$2" "$(awk '{ print $1 * 1000 }' "$work/time")"
	sample "cpu/$1" "$2" "$(awk '{ print ($2 + $3) * 1000 }' "$work/time")"
}

# Of all that is pinned, in KiB.
memory_of_maps() {
	local pin

	find "$pins" -name 'map_*' | while read -r pin; do
		bpftool -j map show pinned "$pin"
	done | grep -o '"bytes_memlock":[0-9]*' | awk -F : '{ n += $2 } END { print n / 1024 }'
}

many_cgroups() { # COUNT
	mkdir "$cgroup/many$1"
	(cd "$cgroup/many$1" && eval "mkdir {a,b}{1..$(($1 / 2))}.service")
}

# That the policy does cover what the figures say it covers.
covers() { # POLICY COUNT
	local entries

	load "$1"
	entries=$(bpftool -j map dump pinned "$pins/policy/map_cgroups" | grep -o '"formatted"' | wc -l)
	unload
	[ "$entries" -ge "$2" ] || die "$1 covers only $entries cgroups, not $2"
}

rows_load() {
	local stage policy

	for stage in "${load_stages[@]}"; do
		for policy in "${loaded[@]}"; do
			show "load/$policy/$stage" ms - "(h) load, $policy, $stage cgroups"
			show "reload/$policy/$stage" ms \
				"$([ "$policy/$stage" = rules256/20000 ] && echo '<1000' || echo -)" \
				"(h) reload, $policy, $stage cgroups"
			show "cpu/load/$policy/$stage" ms - "(h) load, on a CPU, $policy, $stage cgroups"
			show "cpu/reload/$policy/$stage" ms - "(h) reload, on a CPU, $policy, $stage cgroups"
			show "memory/$policy/$stage" KiB - "(j) maps, $policy, $stage cgroups"
		done
	done
	for stage in "${covered[@]}"; do
		for policy in refused allowed other udp; do
			show "$policy/smtpward/cgroups/$stage" ns - "(f) $policy, $stage cgroups covered: smtpward"
		done
	done
	ratio refused/smtpward/cgroups/20000 refused/smtpward/cgroups/10 =1 \
		"refused, 20000 cgroups / 10: smtpward"
}

# commands: from exec to exit, of each that changes or tells what is in force, and of another
# build's.

commands=(load reload status unload)

part_commands() {
	local round who

	for ((round = 0; round < $(rounds_of 50); round++)); do
		for who in $(shuffled smtpward ${BASELINE:+baseline}); do
			time_commands "$who" "$round"
		done
	done
}

status() {
	"${program:-$smtpward}" status --pins "$pins" >/dev/null || [ $? -eq 4 ]
}

time_commands() { # BUILD ROUND
	local program=$smtpward

	[ "$1" != baseline ] || program=$BASELINE
	time_command "command/load/$1" "$2" load default
	time_command "command/reload/$1" "$2" load default
	time_command "command/status/$1" "$2" status
	time_command "command/unload/$1" "$2" unload
}

rows_commands() {
	local command who

	for command in "${commands[@]}"; do
		for who in smtpward ${BASELINE:+baseline}; do
			show "command/$command/$who" ms - "$command: $who"
			show "cpu/command/$command/$who" ms - "$command, on a CPU: $who"
		done
		[ -z "${BASELINE:-}" ] || ratio "command/$command/smtpward" "command/$command/baseline" - \
			"$command: smtpward / baseline"
	done
}
