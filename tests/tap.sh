# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# TAP for test scripts: `check NAME COMMAND...` is one test, `tap_end` the plan. The
# command runs in this shell, so what it starts and sets is there afterwards. Sourced.

tap_number=0
tap_failed=0
tap_output=$(mktemp) || exit 1

# What the command prints is shown where it fails.
check() {
	local name=$1
	shift

	tap_number=$((tap_number + 1))
	if "$@" >"$tap_output" 2>&1; then
		echo "ok $tap_number - $name"
	else
		echo "not ok $tap_number - $name"
		sed 's/^/# /' "$tap_output"
		tap_failed=$((tap_failed + 1))
	fi
}

tap_end() {
	rm -f "$tap_output"
	echo "1..$tap_number"
	[ "$tap_failed" -eq 0 ]
}
