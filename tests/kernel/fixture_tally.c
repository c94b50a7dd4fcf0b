// SPDX-License-Identifier: GPL-2.0-only
/* Attempts with an address each, and the count of their lines. */
#include "fixture.h"

#include <arpa/inet.h>
#include <sys/mman.h>

/* Attempts with a higher number count, but without a check for a second line. */
#define NUMBERED_MAX (1U << 28)

struct sockaddr_in6 tally_address(uint16_t attacker, uint32_t number)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(25) };
	const uint32_t words[] = { htonl(0x20010db8), 0, htonl(attacker), htonl(number) };

	memcpy(&to.sin6_addr, words, sizeof(words));
	return to;
}

uint64_t tally_sum(const struct tally *tally)
{
	return tally->lines + tally->suppressed + tally->lost;
}

uint64_t tally_of_unit(const struct tally *tally, const char *name)
{
	for (int i = 0; i < TALLY_UNITS; i++)
		if (!strcmp(tally->units[i].name, name))
			return tally->units[i].attempts;
	return 0;
}

void tally_init(struct tally *tally)
{
	memset(tally, 0, sizeof(*tally));
	for (int i = 0; i < TALLY_ATTACKERS; i++) {
		tally->seen[i] = mmap(NULL, NUMBERED_MAX / 8, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		assert_ptr_not_equal(tally->seen[i], MAP_FAILED);
	}
}

void tally_free(struct tally *tally)
{
	for (int i = 0; i < TALLY_ATTACKERS; i++)
		munmap(tally->seen[i], NUMBERED_MAX / 8);
}

static void tally_unit(struct tally *tally, const char *name, uint64_t attempts)
{
	for (int i = 0; i < TALLY_UNITS; i++) {
		struct tally_unit *unit = &tally->units[i];

		if (!unit->attempts)
			snprintf(unit->name, sizeof(unit->name), "%.63s", name);
		if (strcmp(unit->name, name) != 0)
			continue;
		unit->attempts += attempts;
		return;
	}
}

static void tally_attempt(struct tally *tally, const char *address)
{
	uint32_t words[4], attacker, number;

	tally->lines++;
	if (!strchr(address, ':')) /* not a tally_address() */
		return;
	assert_int_equal(inet_pton(AF_INET6, address, words), 1);
	attacker = ntohl(words[2]);
	number = ntohl(words[3]);
	assert_true(attacker < TALLY_ATTACKERS);
	if (number >= NUMBERED_MAX)
		return;
	if (tally->seen[attacker][number / 8] >> number % 8 & 1)
		tally->twice++;
	tally->seen[attacker][number / 8] |= (uint8_t)(1 << number % 8);
}

/* The strict reader takes neither a line that is cut off nor two lines in one. */
void tally_line(struct tally *tally, const char *text)
{
	const uint64_t before = tally_sum(tally);
	struct line line;

	line_read(text, &line);
	for (size_t i = 0; i < line.n; i++)
		if (!strcmp(line.fields[i].name, "verdict"))
			tally_attempt(tally, line_field(&line, "dst")->value);
	tally->suppressed += line_number(&line, "suppressed");
	tally->lost += line_number(&line, "lost");
	if (tally_sum(tally) != before)
		tally_unit(tally, line_field(&line, "unit")->value, tally_sum(tally) - before);
}

void tally_datagrams(struct tally *tally, int fd)
{
	char datagram[32768];
	ssize_t len;

	while ((len = recv(fd, datagram, sizeof(datagram) - 1, 0)) > 0) {
		datagram[len] = '\0';
		tally_line(tally, datagram);
	}
}

void tally_log(struct tally *tally, const struct log *log)
{
	_cleanup_free_ char *copy = strdup(log->text);
	char *rest = copy, *line;

	assert_non_null(copy);
	while ((line = strsep(&rest, "\n")))
		if (strstr(line, " smtpward["))
			tally_line(tally, line);
}
