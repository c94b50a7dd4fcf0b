# shellcheck shell=sh disable=SC3043 # local: busybox has it
# SPDX-License-Identifier: GPL-2.0-only
#
# The whole of smtpward once, on the guest's own v2 root, as TAP: a policy with every
# condition, connects by every family, the lines, a reload, the largest policy, an
# unload. What each part does in all its cases is for the tests in tests/kernel; this
# is what they do not do: the true root, default paths, nothing else on the machine.
set -u

smtpward=${SMTPWARD:-./smtpward}
cgroups=/sys/fs/cgroup
policy=/tmp/policy.conf
lines=/tmp/lines
number=0
failures=0
logger=
listener=

# check NAME COMMAND...: a test that passes where the command does.
check() {
	local name="$1" output
	shift
	number=$((number + 1))
	if output=$("$@" 2>&1); then
		echo "ok $number - $name"
		return
	fi
	failures=$((failures + 1))
	echo "not ok $number - $name"
	echo "$output" | sed -e 's/^/# /'
}

# status EXPECTED COMMAND...
status() {
	local expected="$1" got=0
	shift
	"$@" || got=$?
	[ "$got" = "$expected" ] && return
	echo "$*: exit status $got, not $expected"
	return 1
}

# answers EXPECTED CGROUP USER:GROUP ADDRESS PORT
answers() {
	local expected="$1" cgroup="$2" ids="$3" got
	shift 3
	got=$(./peer connect -c "$cgroups$cgroup" -u "${ids%:*}" -g "${ids#*:}" "$@") || got=failed
	[ "$got" = "$expected" ] && return
	echo "$got, not $expected"
	return 1
}

# connects EXPECTED CGROUP USER:GROUP ADDRESS PORT: a test of its own.
connects() {
	check "$2 as $3 to $4 port $5: $1" answers "$@"
}

prints() {
	local expected="$1" output
	shift
	output=$("$@" 2>&1) || true
	echo "$output" | grep -q -e "$expected" && return
	printf 'no "%s" in:\n%s\n' "$expected" "$output"
	return 1
}

# has_line REGEX: waits for the line.
has_line() {
	local tries=100
	while [ $tries -gt 0 ]; do
		grep -q -x -e "$1" "$lines" && return
		tries=$((tries - 1))
		usleep 100000
	done
	printf 'no line "%s"; the last ones:\n' "$1"
	tail -n 3 "$lines"
	return 1
}

# has_lines COUNT: that many violations, and not one more.
has_lines() {
	local tries=100
	while [ $tries -gt 0 ] && [ "$(grep -c ' verdict=' "$lines")" -lt "$1" ]; do
		tries=$((tries - 1))
		usleep 100000
	done
	[ "$(grep -c ' verdict=' "$lines")" = "$1" ] && return
	echo "$(grep -c ' verdict=' "$lines") lines, not $1; the last ones:"
	tail -n 3 "$lines"
	return 1
}

clean_up() {
	[ -z "$logger" ] || kill "$logger"
	[ -z "$listener" ] || kill "$listener"
}

write_policy() {
	cat >$policy <<-'END'
		ports 25, 2501, 2502, 2503, 2504, 2505, 2506, 2507, 2508, 2509, 2510, 2511, 2512, 2513, 2514, 2515
		limit 1000/s burst 1000
		allow to 127.0.0.2, ::1 port 2501, 2515
		allow unit mta@*.service
		allow cgroup /pool/*/relay-*.scope
		allow user mail group mail port 25
		audit cgroup /watched
		deny cgroup /system.slice/banned.service
		allow user 1234
	END
}

# 256 rules, 1,024 names, each with a star, and every condition in every rule.
write_largest_policy() {
	awk 'BEGIN {
		printf "ports 25"
		for (i = 2501; i <= 2515; i++)
			printf ", %d", i
		printf "\nlimit 1000/s burst 1000\n"
		for (i = 0; i < 256; i++)
			printf "%s unit u%d-*.service " \
				"cgroup /a-*-%d.slice/b-*-%d.slice/c-*-%d.slice " \
				"user %d group %d to 127.0.%d.0/24, 2001:db8:%x::/48 port 25, %d\n",
				i == 255 ? "allow" : "deny", i, i, i, i,
				1000 + i, 2000 + i, i, i, 2501 + (i % 15)
	}' >$policy
}

write_policy_refusing() {
	printf 'ports 25\nreject ECONNREFUSED\nallow unit mta@*.service\n' >$policy
}

make_cgroups() {
	mkdir -p $cgroups/system.slice/mta@1.service $cgroups/system.slice/web.service \
		$cgroups/system.slice/banned.service $cgroups/pool/a/relay-1.scope/below \
		$cgroups/pool/a/other.scope $cgroups/watched/below $cgroups/user.slice/mta@1.service \
		$cgroups/user.slice/u/mta@1.service
}

start_listener() {
	: >/tmp/listening
	./peer listen 24 25 2501 2502 2515 >/tmp/listening &
	listener=$!
	local tries=100
	while ! grep -q ready /tmp/listening && [ $tries -gt 0 ]; do
		tries=$((tries - 1))
		usleep 20000
	done
	check 'listen' grep -q ready /tmp/listening
}

start_logger() {
	: >$lines
	"$smtpward" log --to stderr 2>$lines &
	logger=$!
}

# Not in a check: only the shell that started it can wait for it.
end_logger() {
	local ended=0
	kill "$logger"
	wait "$logger" || ended=$?
	logger=
	check 'the logger ends well' [ $ended = 0 ]
}

# The whole of a line, each field as this shell knows it.
test_line() {
	local ids net id pid
	net=$(readlink /proc/self/ns/net | tr -dc 0-9)
	id=$(stat -c %i $cgroups/system.slice/web.service)
	./peer connect -c $cgroups/system.slice/web.service -g 8 -u 1500 127.0.0.1 25 >/tmp/answer &
	pid=$!
	wait $pid
	check 'the attempt of the line is refused' grep -q -x EPERM /tmp/answer
	ids="uid=1500 gid=8 auid=- pid=$pid ppid=$$ netns=$net cgid=$id"
	check 'its line has every field' has_line "\\([^ ]*\\) smtpward\\[$logger\\]: v=2 time=\\1 \
verdict=deny rule=default unit=\"web.service\" euid=1500 dst=127.0.0.1 dport=25 $ids \
exe=\"/vm/peer\" cwd=\"/vm\" args=\"./peer connect\" ancestors=\"sh[^\"]*\" comm=\"peer\" cgroup=\"/system.slice/web.service\""
}

test_conditions() {
	connects 0 /system.slice/mta@1.service 0:0 127.0.0.1 25
	connects 0 /system.slice/mta@1.service 0:0 ::1 25
	connects 0 /system.slice/mta@1.service 0:0 ::ffff:127.0.0.1 25
	connects 0 /user.slice/mta@1.service 0:0 127.0.0.1 25
	connects EPERM /user.slice/u/mta@1.service 0:0 127.0.0.1 25
	connects EPERM /system.slice/web.service 0:0 127.0.0.1 25
	connects EPERM /system.slice/web.service 0:0 ::1 25
	connects EPERM /system.slice/web.service 0:0 ::ffff:127.0.0.1 25
	connects EPERM /system.slice/web.service 0:0 0.0.0.0 25
	connects EPERM /system.slice/web.service 0:0 :: 25
	connects EPERM /system.slice/web.service 0:0 192.0.2.1 25
	connects ENETUNREACH /system.slice/mta@1.service 0:0 192.0.2.1 25
	connects 0 /system.slice/web.service 0:0 127.0.0.1 24
	connects 0 /pool/a/relay-1.scope 0:0 127.0.0.1 25
	connects 0 /pool/a/relay-1.scope/below 0:0 127.0.0.1 25
	connects EPERM /pool/a/other.scope 0:0 127.0.0.1 25
	connects 0 /system.slice/web.service 8:8 127.0.0.1 25
	connects EPERM /system.slice/web.service 8:0 127.0.0.1 25
	connects EPERM /system.slice/web.service 0:8 127.0.0.1 25
	connects EPERM /system.slice/web.service 8:8 127.0.0.1 2502
	connects 0 /watched/below 0:0 127.0.0.1 25
	connects EPERM /system.slice/banned.service 1234:0 127.0.0.1 25
	connects 0 /system.slice/web.service 1234:0 127.0.0.1 25
	connects 0 /system.slice/web.service 0:0 127.0.0.2 2515
	connects 0 /system.slice/web.service 0:0 ::ffff:127.0.0.2 2515
	connects 0 /system.slice/web.service 0:0 :: 2501
	connects EPERM /system.slice/web.service 0:0 127.0.0.2 25
	connects EPERM / 0:0 127.0.0.1 25
	refused=14
	audited=1
}

# What is made after the load, and made again.
test_tracker() {
	mkdir -p $cgroups/pool/b/relay-2.scope $cgroups/system.slice/mta@2.service
	connects 0 /pool/b/relay-2.scope 0:0 127.0.0.1 25
	connects 0 /system.slice/mta@2.service 0:0 127.0.0.1 25
	rmdir $cgroups/system.slice/mta@2.service
	mkdir $cgroups/system.slice/mta@2.service
	connects 0 /system.slice/mta@2.service 0:0 127.0.0.1 25
}

# What this kernel has of what is used; in the output, for the table in smtpward(8).
test_features() {
	check 'nothing is loaded' status 3 sh -c "$smtpward status -v >/tmp/features 2>/dev/null"
	sed -n -e 's/^feature /# feature /p' /tmp/features
	check 'no feature is in use' status 1 grep -E '^feature [a-z]* *in use' /tmp/features
	check 'what every policy uses is there' \
		[ "$(grep -cE '^feature (btf|hooks|links|memory|ringbuf|tracker) *there' /tmp/features)" = 6 ]
	check 'each feature is known' status 1 grep 'not known' /tmp/features
}

test_policy() {
	write_policy
	check 'load' status 0 "$smtpward" load -c $policy
	start_logger
	test_conditions
	test_tracker
	test_line
	refused=$((refused + 1))
	check 'every refused and audited attempt has a line' has_lines $((refused + audited))
	check 'an audited one says so' \
		has_line '.* verdict=audit rule=5 .* cgroup="/watched/below"'
	check 'a rule that denies has its number' \
		has_line '.* verdict=deny rule=6 unit="banned.service" .*'
	check 'a mapped address is IPv4' has_line '.* dst=127.0.0.1 dport=25 .*'
	check 'IPv6' has_line '.* dst=::1 dport=25 .*'
	check 'status' status 0 "$smtpward" status
	check 'status counts' prints "^denied  *$refused\$" "$smtpward" status
	check 'status is whole' prints '^enforcing$' "$smtpward" status
	check 'status has what is in use' prints '^feature tracker  *in use' "$smtpward" status -v
	check 'nothing is broken' status 1 sh -c "$smtpward status | grep -E '^(broken|.*_full)'"
}

test_reload() {
	check 'reload' status 0 "$smtpward" load -c $policy
	connects EPERM /system.slice/web.service 0:0 127.0.0.1 25
	connects 0 /system.slice/mta@1.service 0:0 127.0.0.1 25
	check 'the same logger goes on' has_lines $((refused + audited + 1))
	end_logger
}

# largest_path NAME
largest_path() {
	echo "/a-$1-255.slice/b-$1-255.slice/c-$1-255.slice/u255-$1.service"
}

test_largest() {
	local path
	path=$(largest_path x)
	write_largest_policy
	mkdir -p "$cgroups$path"
	check 'load the largest policy' status 0 "$smtpward" load -c $policy
	connects 0 "$path" 1255:2255 127.0.255.1 25
	connects 0 "$path" 1255:2255 127.0.255.1 2501
	connects EPERM "$path" 1255:2255 127.0.255.1 2502
	connects EPERM "$path" 1255:2255 127.0.254.1 25
	connects EPERM "$path" 1255:2255 ::1 25
	connects EPERM "$path" 1255:0 127.0.255.1 25
	connects EPERM "$path" 0:2255 127.0.255.1 25
	path=$(largest_path y)
	mkdir -p "$cgroups$path"
	connects 0 "$path" 1255:2255 127.0.255.1 25
}

# reject other than EPERM needs Linux 5.18; an older kernel is told apart by what load says.
test_reject() {
	write_policy_refusing
	if "$smtpward" load -c $policy 2>/tmp/reject; then
		check 'load with reject' true
		check 'status says that it is in use' prints '^feature reject  *in use' "$smtpward" status -v
		connects ECONNREFUSED /system.slice/web.service 0:0 127.0.0.1 25
		connects ECONNREFUSED /system.slice/web.service 0:0 ::1 25
		connects 0 /system.slice/mta@1.service 0:0 127.0.0.1 25
		return
	fi
	check 'reject is refused with its reason' grep -q 'needs Linux 5.18' /tmp/reject
	check 'status says that it is not there' prints '^feature reject  *not there' "$smtpward" status -v
	case $(uname -r) in
	5.10.*) check 'the old policy stays' status 0 "$smtpward" status ;;
	*) check 'this kernel has reject' false ;;
	esac
}

test_unload() {
	check 'unload' status 0 "$smtpward" unload
	connects 0 /system.slice/web.service 0:0 127.0.0.1 25
	connects 0 /system.slice/web.service 0:0 ::1 25
	check 'status says no' status 3 "$smtpward" status
	check 'no pin is left' status 1 ls -d /sys/fs/bpf/smtpward
}

trap clean_up EXIT
make_cgroups
start_listener
test_features
test_policy
test_reload
test_largest
test_reject
test_unload
echo "1..$number"
[ $failures = 0 ]
