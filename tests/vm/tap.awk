# SPDX-License-Identifier: GPL-2.0-only
#
# What the guests printed, as one TAP stream with a table at its end. Between the
# marks is the TAP of one test program, which may have several plans (cmocka prints
# one a group). A program that fails without a failed test, or does not run what it
# planned, is a failed test of its own: silence is never success.

function report(passed, text) {
	printf "%s %d - %s %s\n", passed ? "ok" : "not ok", ++total, kernel, text
	fflush()
}

function fail(text) {
	failed[kernel]++
	report(0, text)
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

# The kernel itself, or the guest around the tests.
function end_boot(status) {
	if (test)
		end_test("none")
	else if (status != 0)
		fail("boot: exit status " status)
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
	planned = ran = failed_here = 0
	next
}

/^=== exit [0-9]+ ===$/ {
	end_test($3)
	next
}

/^=== boot [0-9]+ [0-9]+ ===$/ {
	end_boot($3)
	seconds[kernel] = $4
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
	if (match($0, /# *[Ss][Kk][Ii][Pp]/)) {
		skipped[kernel]++
		name = RSTART > 1 ? substr($0, 1, RSTART - 1) : substr($0, RLENGTH + 2) " "
		report(1, test ": " name "# SKIP" (RSTART > 1 ? substr($0, RSTART + RLENGTH) : ""))
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
			failed[kernel], skipped[kernel], seconds[kernel]
	}
	exit bad
}
