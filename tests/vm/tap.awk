# SPDX-License-Identifier: GPL-2.0-only
#
# What the guests printed, as one TAP stream with a table at its end. Between the
# marks is the TAP of one test program, which may have several plans (cmocka prints
# one a group). A program that fails without a failed test, or does not run what it
# planned, is a failed test of its own: silence is never success.
#
#   awk -f tap.awk -v skips=FILE
#
# The file has the tests that a kernel cannot have, as KERNEL PROGRAM: NAME. A skip
# that is not in it is a failure, and so is one in it that was not skipped.

BEGIN {
	while ((getline line <skips) > 0)
		if (line ~ /^[0-9]/)
			expected[line] = 1
}

function report(passed, text) {
	printf "%s %d - %s %s\n", passed ? "ok" : "not ok", ++total, kernel, text
}

function fail(text) {
	failed[kernel]++
	report(0, text)
}

function skip(name, why,    key) {
	key = kernel " " test ": " name
	if (!(key in expected)) {
		fail(test ": " name ": skipped, and not in tests/vm/skips: " why)
		failed_here = 1
		return
	}
	delete expected[key]
	skipped[kernel]++
	report(1, test ": " name " # SKIP " why)
}

function end_test(status) {
	if (status != 0 && !failed_here)
		fail(test ": " (status == "none" ? "never ended" : "exit status " status))
	else if (ran != planned)
		fail(test ": planned " planned " tests, ran " ran)
	else if (!ran)
		fail(test ": ran no test")
	test = ""
}

function end_boot(status, seconds,    key, part) {
	# The kernel itself, or the guest around the tests.
	if (test)
		end_test("none")
	else if (status != 0)
		fail("boot: exit status " status)
	for (key in expected) {
		split(key, part, " ")
		if (part[1] == kernel && part[2] in programs)
			fail(substr(key, length(kernel) + 2) ": is in tests/vm/skips, and was not skipped")
	}
	split("", programs)
	took[kernel] = seconds
	printf "# kernel %s: %d passed, %d failed, %d skipped, %d s\n", kernel, passed[kernel],
		failed[kernel], skipped[kernel], seconds
	fflush()
}

/^=== kernel .* ===$/ {
	kernel = $3
	kernels[++n_kernels] = kernel
	release[kernel] = $4
	passed[kernel] = failed[kernel] = skipped[kernel] = 0
	next
}

/^=== test .* ===$/ {
	test = $3
	programs[test ":"]
	began = $4
	planned = ran = failed_here = 0
	split("", reasons)
	next
}

/^=== exit [0-9]+ [0-9]+ ===$/ {
	printf "# %s %s: %d tests in %d s\n", kernel, test, ran, $4 - began
	end_test($3)
	next
}

/^=== boot [0-9]+ [0-9]+ ===$/ {
	end_boot($3, $4)
	next
}

/^# SKIP-REASON / {
	sub(/^# SKIP-REASON /, "")
	reasons[substr($0, 1, index($0, ": ") - 1)] = substr($0, index($0, ": ") + 2)
	next
}

test && /^1\.\.[0-9]+$/ {
	planned += substr($0, 4)
	next
}

test && /^(not )?ok( |$)/ {
	ran++
	good = !sub(/^not /, "")
	sub(/^ok *[0-9]* *(- *)?/, "")
	# cmocka 1.1.5 prints a skipped test as "not ok N # SKIP name".
	if (match($0, /# *[Ss][Kk][Ii][Pp] */)) {
		name = RSTART > 1 ? substr($0, 1, RSTART - 1) : substr($0, RLENGTH + 1)
		sub(/ +$/, "", name)
		skip(name, name in reasons ? reasons[name] : "for no reason that it says")
		next
	}
	if (good)
		passed[kernel]++
	else {
		failed[kernel]++
		failed_here = 1
	}
	report(good, test ": " $0)
	next
}

NF {
	sub(/^# ?/, "")
	printf "# %s %s\n", kernel, (test ? test ": " : "") $0
}

END {
	bad = !total
	printf "1..%d\n#\n", total
	printf "# %-8s %-32s %7s %7s %7s %8s\n", "kernel", "release", "passed", "failed", "skipped", "seconds"
	for (i = 1; i <= n_kernels; i++) {
		kernel = kernels[i]
		bad = bad || failed[kernel] || !passed[kernel]
		printf "# %-8s %-32s %7d %7d %7d %8d\n", kernel, release[kernel], passed[kernel],
			failed[kernel], skipped[kernel], took[kernel]
	}
	exit bad
}
