// SPDX-License-Identifier: GPL-2.0-only
/* Asks who is forwarded; see forwards.h. */
#include "host/forwards.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static void forwards_add(char *text, size_t size, const char *item)
{
	const size_t used = strlen(text);
	const char *separator = used ? ", " : "";

	if (used + strlen(separator) + strlen(item) + sizeof(", ...") <= size)
		snprintf(text + used, size - used, "%s%s", separator, item);
	else if (used < strlen("...") || strcmp(text + used - strlen("..."), "...") != 0)
		snprintf(text + used, size - used, "%s...", separator);
}

/* Whether the file begins with another number than 0; a kernel without IPv6 has no file of it. */
static bool forwards_flag(const char *version, const char *device)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[64 + IFNAMSIZ];
	char text[16] = "";

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/forwarding", version, device);
	file = fopen(path, "re");
	return file && fgets(text, sizeof(text), file) && strtol(text, NULL, 10);
}

static bool forwards_is_port(const char *device)
{
	char path[64 + IFNAMSIZ];

	snprintf(path, sizeof(path), "/sys/class/net/%s/brport", device);
	return !access(path, F_OK);
}

static bool forwards_by(const char *device)
{
	return strcmp(device, "lo") != 0 &&
	       (forwards_flag("ipv4", device) || forwards_flag("ipv6", device) ||
		forwards_is_port(device));
}

int forwards_list_devices(char *ret_text, size_t size)
{
	struct if_nameindex *names = if_nameindex();

	*ret_text = '\0';
	if (!names)
		return -errno;
	for (const struct if_nameindex *at = names; at->if_name; at++)
		if (forwards_by(at->if_name))
			forwards_add(ret_text, size, at->if_name);
	if_freenameindex(names);
	return 0;
}

/* Flows. */

struct forwards_flow {
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	unsigned long port;
};

/*
 * ct_seq_show() in net/netfilter/nf_conntrack_standalone.c: the first addresses of a line are those
 * of who began.
 */
static bool forwards_parse(const char *line, struct forwards_flow *ret_flow)
{
	const char *source = strstr(line, " src=");
	char port[8];

	if (!strstr(line, " tcp ") || !source ||
	    sscanf(source, " src=%45s dst=%45s sport=%*s dport=%7s", ret_flow->source,
		   ret_flow->destination, port) != 3)
		return false;
	ret_flow->port = strtoul(port, NULL, 10);
	return true;
}

static bool forwards_guards(const uint16_t *ports, size_t n_ports, unsigned long port)
{
	for (size_t i = 0; i < n_ports; i++)
		if (ports[i] == port)
			return true;
	return false;
}

static bool forwards_is_address(const struct sockaddr *address, const char *text)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (address->sa_family == AF_INET)
		return inet_pton(AF_INET, text, &v4) == 1 &&
		       !memcmp(&v4, &((const struct sockaddr_in *)address)->sin_addr, sizeof(v4));
	return address->sa_family == AF_INET6 && inet_pton(AF_INET6, text, &v6) == 1 &&
	       !memcmp(&v6, &((const struct sockaddr_in6 *)address)->sin6_addr, sizeof(v6));
}

static bool forwards_is_ours(const struct ifaddrs *ours, const char *text)
{
	if (!strncmp(text, "127.", strlen("127.")))
		return true;
	for (; ours; ours = ours->ifa_next)
		if (ours->ifa_addr && forwards_is_address(ours->ifa_addr, text))
			return true;
	return false;
}

static void forwards_add_flow(const struct forwards_flow *flow, char *text, size_t size)
{
	char item[2 * INET6_ADDRSTRLEN + 32];

	snprintf(item, sizeof(item), "%s to %s port %lu", flow->source, flow->destination,
		 flow->port);
	if (!strstr(text, item))
		forwards_add(text, size, item);
}

int forwards_list_flows(const uint16_t *ports, size_t n_ports, char *ret_text, size_t size)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/net/nf_conntrack", "re");
	_cleanup_free_ char *line = NULL;
	struct ifaddrs *ours = NULL;
	struct forwards_flow flow;
	size_t line_size = 0;
	int r = 0;

	*ret_text = '\0';
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	if (getifaddrs(&ours))
		return -errno;
	while (getline(&line, &line_size, file) > 0)
		if (forwards_parse(line, &flow) && forwards_guards(ports, n_ports, flow.port) &&
		    !forwards_is_ours(ours, flow.source) &&
		    !forwards_is_ours(ours, flow.destination))
			forwards_add_flow(&flow, ret_text, size);
	if (ferror(file))
		r = -EIO;
	freeifaddrs(ours);
	return r;
}
