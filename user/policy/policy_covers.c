// SPDX-License-Identifier: GPL-2.0-only
/* Compares two rules; see policy_covers.h. */
#include "policy/policy_covers.h"

#include <string.h>

#include <smtpward/match.h>

#include "base/mapped.h"

/*
 * How many pairs of values a comparison of two lists may take; a block list may have thousands of
 * values.
 */
#define COVERS_PAIRS_MAX 1000000

/* A name, with at most one star. */
struct name {
	const char *text;
	size_t len;
};

static bool covers_name(struct name wide, struct name narrow)
{
	const char *star = memchr(wide.text, '*', wide.len);
	const char *other = memchr(narrow.text, '*', narrow.len);
	size_t before, after, narrow_before, narrow_after;

	if (!star)
		return wide.len == narrow.len && !memcmp(wide.text, narrow.text, wide.len);
	before = (size_t)(star - wide.text);
	after = wide.len - before - 1;
	narrow_before = other ? (size_t)(other - narrow.text) : narrow.len;
	narrow_after = other ? narrow.len - narrow_before - 1 : narrow.len;
	if (before > narrow_before || after > narrow_after ||
	    (!other && before + after > narrow.len))
		return false;
	return !memcmp(wide.text, narrow.text, before) &&
	       !memcmp(wide.text + wide.len - after, narrow.text + narrow.len - after, after);
}

/* Takes the next segment off a path; false at the path's end. */
static bool covers_next_segment(const char **path, struct name *ret)
{
	if (!**path || !strcmp(*path, "/"))
		return false;
	ret->text = *path + 1;
	ret->len = strcspn(ret->text, "/");
	*path = ret->text + ret->len;
	return true;
}

bool policy_path_covers(const char *wide, const char *narrow)
{
	struct name segment, other;

	while (covers_next_segment(&wide, &segment))
		if (!covers_next_segment(&narrow, &other) || !covers_name(segment, other))
			return false;
	return true;
}

/* 1 if all names that a pattern matches are slices, 0 if none is, -1 if some are. */
static int covers_is_slice(struct name name)
{
	const char *star = memchr(name.text, '*', name.len);
	const size_t after = star ? name.len - (size_t)(star - name.text) - 1 : name.len;
	const size_t same = after < SMTPWARD_SLICE_SUFFIX_LEN ? after : SMTPWARD_SLICE_SUFFIX_LEN;

	if (smtpward_is_slice(name.text + name.len - after, after))
		return 1;
	if (!star || memcmp(name.text + name.len - same,
			    SMTPWARD_SLICE_SUFFIX + SMTPWARD_SLICE_SUFFIX_LEN - same, same) != 0)
		return 0;
	return -1;
}

/*
 * The unit of all cgroups at a path and below it; false if the path does not settle which unit
 * that is.
 */
static bool covers_unit_of(const char *path, struct name *ret)
{
	while (covers_next_segment(&path, ret)) {
		int slice = covers_is_slice(*ret);

		if (slice <= 0)
			return !slice;
	}
	return false;
}

static bool covers_one_unit(const struct policy_values *wide, struct name narrow)
{
	for (size_t i = 0; i < wide->n; i++) {
		const struct name unit = { wide->texts[i], strlen(wide->texts[i]) };

		if (covers_name(unit, narrow))
			return true;
	}
	return false;
}

static bool covers_units(const struct policy_values *wide, const struct policy_rule *narrow)
{
	const struct policy_values *units = &narrow->values[SMTPWARD_UNIT];
	const struct policy_values *paths = &narrow->values[SMTPWARD_CGROUP];
	bool by_unit = units->n, by_path = paths->n;

	for (size_t i = 0; i < units->n && by_unit; i++) {
		const struct name unit = { units->texts[i], strlen(units->texts[i]) };

		by_unit = covers_one_unit(wide, unit);
	}
	for (size_t i = 0; i < paths->n && by_path; i++) {
		struct name unit;

		by_path = covers_unit_of(paths->texts[i], &unit) && covers_one_unit(wide, unit);
	}
	return by_unit || by_path;
}

static bool covers_one_path(const struct policy_values *wide, const char *narrow)
{
	for (size_t i = 0; i < wide->n; i++)
		if (policy_path_covers(wide->texts[i], narrow))
			return true;
	return false;
}

static bool covers_paths(const struct policy_values *wide, const struct policy_rule *narrow)
{
	const struct policy_values *paths = &narrow->values[SMTPWARD_CGROUP];

	/* A rule without a path is about all paths. */
	if (!paths->n)
		return covers_one_path(wide, "/");
	for (size_t i = 0; i < paths->n; i++)
		if (!covers_one_path(wide, paths->texts[i]))
			return false;
	return true;
}

static bool covers_ids(const struct policy_values *wide, const struct policy_values *narrow)
{
	for (size_t i = 0; i < narrow->n; i++) {
		size_t at = 0;

		while (at < wide->n && wide->ids[at].id != narrow->ids[i].id)
			at++;
		if (at == wide->n)
			return false;
	}
	return narrow->n;
}

static bool covers_one_device(const struct policy_values *wide, const char *narrow)
{
	const struct name name = { narrow, strlen(narrow) };

	for (size_t i = 0; i < wide->n; i++) {
		const char *text = wide->devices[i].text;

		if (covers_name((struct name){ text, strlen(text) }, name))
			return true;
	}
	return false;
}

static bool covers_devices(const struct policy_values *wide, const struct policy_values *narrow)
{
	for (size_t i = 0; i < narrow->n; i++)
		if (!covers_one_device(wide, narrow->devices[i].text))
			return false;
	return narrow->n;
}

static bool covers_macs(const struct policy_values *wide, const struct policy_values *narrow)
{
	for (size_t i = 0; i < narrow->n; i++) {
		size_t at = 0;

		while (at < wide->n &&
		       memcmp(&wide->macs[at], &narrow->macs[i], sizeof(*wide->macs)) != 0)
			at++;
		if (at == wide->n)
			return false;
	}
	return narrow->n;
}

static bool covers_vlans(const struct policy_values *wide, const struct policy_values *narrow)
{
	for (size_t i = 0; i < narrow->n; i++) {
		size_t at = 0;

		while (at < wide->n && wide->vlans[at] != narrow->vlans[i])
			at++;
		if (at == wide->n)
			return false;
	}
	return narrow->n;
}

static bool covers_has_port(const struct policy_values *values, uint16_t port)
{
	for (size_t i = 0; i < values->n; i++)
		if (values->ports[i] == port)
			return true;
	return !values->n;
}

static bool covers_ports(const struct policy *policy, const struct policy_values *wide,
			 const struct policy_values *narrow)
{
	for (size_t i = 0; i < policy->n_ports; i++)
		if (covers_has_port(narrow, policy->ports[i]) &&
		    !covers_has_port(wide, policy->ports[i]))
			return false;
	return true;
}

/* Whether a and b have the same first `bits` bits. */
static bool covers_begin_alike(const struct policy_prefix *a, const struct policy_prefix *b,
			       unsigned int bits)
{
	const unsigned int bytes = bits / 8, rest = bits % 8;

	return !memcmp(a->address, b->address, bytes) &&
	       (!rest || !((a->address[bytes] ^ b->address[bytes]) >> (8 - rest)));
}

static bool covers_is_ipv4(const struct policy_prefix *prefix)
{
	return prefix->bits >= MAPPED_BITS && mapped_is_ipv4(prefix->address);
}

static bool covers_is_local(const struct policy_prefix *prefix)
{
	return prefix->bits == POLICY_PREFIX_LOCAL;
}

/*
 * Whether several prefixes cover a narrow one: one of them as a whole, or all together each half
 * of the narrow one. No prefix of IPv6 has an address of IPv4 in it, whatever its bits say.
 */
static bool covers_prefix(const struct policy_values *wide, struct policy_prefix narrow, bool ipv4)
{
	bool inside = false;

	if (!ipv4 && covers_is_ipv4(&narrow))
		return true;
	for (size_t i = 0; i < wide->n; i++) {
		const struct policy_prefix *prefix = &wide->prefixes[i];

		if (covers_is_local(prefix) || covers_is_ipv4(prefix) != ipv4)
			continue;
		if (prefix->bits <= narrow.bits &&
		    covers_begin_alike(prefix, &narrow, prefix->bits))
			return true;
		inside |= prefix->bits > narrow.bits &&
			  covers_begin_alike(prefix, &narrow, narrow.bits);
	}
	if (!inside)
		return false;
	narrow.bits++;
	if (!covers_prefix(wide, narrow, ipv4))
		return false;
	narrow.address[(narrow.bits - 1) / 8] |= (uint8_t)(0x80 >> (narrow.bits - 1) % 8);
	return covers_prefix(wide, narrow, ipv4);
}

static bool covers_everywhere(const struct policy_values *wide)
{
	static const struct policy_prefix all_ipv6 = { { 0 }, 0 };
	struct policy_prefix all_ipv4 = { { 0 }, MAPPED_BITS };

	mapped_begin(all_ipv4.address);
	return covers_prefix(wide, all_ipv4, true) && covers_prefix(wide, all_ipv6, false);
}

/* The comparison cannot know which addresses are local. */
static bool covers_local(const struct policy_values *wide)
{
	for (size_t i = 0; i < wide->n; i++)
		if (covers_is_local(&wide->prefixes[i]))
			return true;
	return covers_everywhere(wide);
}

static bool covers_one_prefix(const struct policy_values *wide, const struct policy_prefix *narrow)
{
	return covers_is_local(narrow) ? covers_local(wide)
				       : covers_prefix(wide, *narrow, covers_is_ipv4(narrow));
}

static bool covers_prefixes(const struct policy_values *wide, const struct policy_values *narrow)
{
	if (!narrow->n)
		return covers_everywhere(wide);
	for (size_t i = 0; i < narrow->n; i++)
		if (!covers_one_prefix(wide, &narrow->prefixes[i]))
			return false;
	return true;
}

static bool covers_condition(const struct policy *policy, const struct policy_rule *wide,
			     const struct policy_rule *narrow, int condition)
{
	const struct policy_values *values = &wide->values[condition];
	const struct policy_values *others = &narrow->values[condition];

	if (!values->n)
		return true;
	if ((uint64_t)values->n * (others->n + 1) > COVERS_PAIRS_MAX)
		return false;
	switch (policy_kinds[condition]) {
	case POLICY_TEXT:
		return condition == SMTPWARD_UNIT ? covers_units(values, narrow)
						  : covers_paths(values, narrow);
	case POLICY_ID:
		return covers_ids(values, others);
	case POLICY_PREFIX:
		return covers_prefixes(values, others);
	case POLICY_PORT:
		return covers_ports(policy, values, others);
	case POLICY_DEVICE:
		return covers_devices(values, others);
	case POLICY_MAC:
		return covers_macs(values, others);
	case POLICY_VLAN:
		return covers_vlans(values, others);
	}
	return false;
}

/* A wide rule that ends before the narrow one leaves connects to the narrow one. */
static bool covers_until(const struct policy_rule *wide, const struct policy_rule *narrow)
{
	return !wide->until || (narrow->until && narrow->until <= wide->until);
}

bool policy_rule_covers(const struct policy *policy, const struct policy_rule *wide,
			const struct policy_rule *narrow)
{
	/* Rules on guests and rules on connects have nothing in common. */
	if (!wide->values[SMTPWARD_GUEST].n != !narrow->values[SMTPWARD_GUEST].n)
		return false;
	if (!covers_until(wide, narrow))
		return false;
	for (int condition = 0; condition < SMTPWARD_CONDITIONS_N; condition++)
		if (!covers_condition(policy, wide, narrow, condition))
			return false;
	return true;
}
