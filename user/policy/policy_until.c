// SPDX-License-Identifier: GPL-2.0-only
/* Instants, as rules write them; see policy_until.h. */
#include "policy/policy_until.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "policy/policy_lex.h"

/*
 * Matches word with shape: a digit for each 0, and else the shape's own byte. Returns the text
 * behind the match, or NULL.
 */
static const char *until_match(const char *word, const char *shape)
{
	for (; *shape; shape++, word++)
		if (*shape == '0' ? *word < '0' || *word > '9' : *word != *shape)
			return NULL;
	return word;
}

/* The number that n digits spell; the caller has checked the digits. */
static int until_digits(const char *digits, int n)
{
	int number = 0;

	while (n--)
		number = number * 10 + (*digits++ - '0');
	return number;
}

#define UNTIL_EXAMPLES "as 2026-12-01T18:00Z, or 2026-12-01T19:00+01:00 with an offset from UTC"

#define OFFSET_MINUTES_MAX (14 * 60)

/* The zone behind the time: its offset from UTC in seconds, positive if the zone is ahead. */
static int until_parse_offset(const char *word, const char *zone, int *ret_offset,
			      struct reason *reterr)
{
	const char *end = *zone == '-' ? until_match(zone, "-00:00") : until_match(zone, "+00:00");
	int hours, minutes;

	*ret_offset = 0;
	if (!strcmp(zone, "Z"))
		return 0;
	if (!*zone)
		return reason_set(reterr, -EINVAL,
				  "'%s' has no time zone, and means another instant on each "
				  "machine: write %sZ, or the offset from UTC, %s+01:00",
				  policy_shown(word).text, policy_shown(word).text,
				  policy_shown(word).text);
	if (!end || *end)
		return reason_set(reterr, -EINVAL, "'%s' is not a time: write one " UNTIL_EXAMPLES,
				  policy_shown(word).text);
	hours = until_digits(zone + 1, 2);
	minutes = until_digits(zone + 4, 2);
	if (minutes > 59)
		return reason_set(reterr, -EINVAL,
				  "'%s': the minutes of an offset from UTC go from 00 to 59",
				  policy_shown(word).text);
	if (hours * 60 + minutes > OFFSET_MINUTES_MAX)
		return reason_set(reterr, -EINVAL,
				  "'%s': no offset from UTC is %s, they go up to 14:00",
				  policy_shown(word).text, zone);
	*ret_offset = (hours * 60 + minutes) * (*zone == '-' ? -60 : 60);
	return 0;
}

/* Refuses a date that the calendar has not: timegm(3) makes March of the 30th of February. */
static int until_check_date(const struct tm *tm)
{
	struct tm again = *tm;
	time_t when;

	if (tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 59)
		return -ERANGE;
	when = timegm(&again);
	if (!gmtime_r(&when, &again) || again.tm_mon != tm->tm_mon || again.tm_mday != tm->tm_mday)
		return -EDOM;
	return 0;
}

static int until_check_instant(const char *word, const struct tm *tm, struct reason *reterr)
{
	int r = until_check_date(tm);

	if (r == -EDOM)
		return reason_set(reterr, -EINVAL, "'%s': there is no such day as %.10s",
				  policy_shown(word).text, word);
	if (r)
		return reason_set(
			reterr, -EINVAL,
			"'%s': hours go from 00 to 23, minutes and seconds from 00 to 59%s",
			policy_shown(word).text,
			tm->tm_sec == 60 ? ": a leap second is not counted, write the "
					   "second before or behind it"
					 : "");
	return 0;
}

int policy_value_until(const char *word, uint32_t *ret_until, struct reason *reterr)
{
	const char *at = until_match(word, "0000-00-00T00:00"), *seconds;
	struct tm tm = { 0 };
	int offset = 0, r;
	time_t when;

	if (!at)
		return reason_set(reterr, -EINVAL, "'%s' is not a time: write one " UNTIL_EXAMPLES,
				  policy_shown(word).text);
	tm.tm_year = until_digits(word, 4) - 1900;
	tm.tm_mon = until_digits(word + 5, 2) - 1;
	tm.tm_mday = until_digits(word + 8, 2);
	tm.tm_hour = until_digits(word + 11, 2);
	tm.tm_min = until_digits(word + 14, 2);
	seconds = until_match(at, ":00");
	if (seconds)
		tm.tm_sec = until_digits(at + 1, 2);
	r = until_parse_offset(word, seconds ?: at, &offset, reterr);
	if (!r)
		r = until_check_instant(word, &tm, reterr);
	if (r)
		return r;
	when = timegm(&tm) - offset;
	if (when < (time_t)POLICY_UNTIL_FIRST || when > (time_t)POLICY_UNTIL_LAST)
		return reason_set(reterr, -EINVAL, "'%s': years go from 2000 to 2099, in UTC",
				  policy_shown(word).text);
	*ret_until = (uint32_t)when;
	return 0;
}

struct policy_until_text policy_until_text(uint32_t until)
{
	struct policy_until_text text = { "" };
	const time_t when = until;
	struct tm tm;

	/* Cannot fail: every uint32_t is a time of a year with four digits. */
	if (gmtime_r(&when, &tm))
		strftime(text.text, sizeof(text.text),
			 tm.tm_sec ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%dT%H:%MZ", &tm);
	return text;
}

/* Uses the largest unit that leaves more than one of it. */
struct policy_left_text policy_left_text(uint32_t until, int64_t now)
{
	static const struct {
		const char *name;
		int64_t seconds;
	} units[] = { { "d", 86400 }, { "h", 3600 }, { "min", 60 }, { "s", 1 } };
	const int64_t left = until - now;
	struct policy_left_text text = { "ended" };
	size_t i = 0;

	if (left <= 0)
		return text;
	while (i < ARRAY_SIZE(units) - 1 && left < 2 * units[i].seconds)
		i++;
	snprintf(text.text, sizeof(text.text), "ends in %lld %s",
		 (long long)(left / units[i].seconds), units[i].name);
	return text;
}
