// SPDX-License-Identifier: GPL-2.0-only
/*
 *   raw ip|packet|bypass ADDRESS
 *
 * Sends the first packet of a TCP connection to port 25 past connect(2): by a raw IP socket, by a
 * packet socket, or by one that goes past tc. Says why where it cannot.
 */
#include <arpa/inet.h>
#include <err.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct packet {
	struct iphdr ip;
	struct tcphdr tcp;
};

static uint16_t sum(const void *data, size_t size, uint32_t begin)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < size; i += 2)
		begin += (uint32_t)(at[i] << 8 | at[i + 1]);
	while (begin >> 16)
		begin = (begin & 0xffff) + (begin >> 16);
	return htons((uint16_t)~begin);
}

/* The address that this machine has on the way there. */
static struct in_addr find_source(const struct sockaddr_in *to)
{
	struct sockaddr_in self = { 0 };
	socklen_t size = sizeof(self);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) ||
	    getsockname(fd, (struct sockaddr *)&self, &size))
		err(1, "no way there");
	/* And whoever is next on the way is asked for. */
	(void)!send(fd, "x", 1, 0);
	close(fd);
	return self.sin_addr;
}

static void make_packet(struct packet *packet, const struct sockaddr_in *to)
{
	struct {
		struct in_addr from, to;
		uint8_t zero, protocol;
		uint16_t length;
	} pseudo = { find_source(to), to->sin_addr, 0, IPPROTO_TCP, htons(sizeof(packet->tcp)) };

	*packet = (struct packet){
		.ip = { .version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = IPPROTO_TCP,
			.tot_len = htons(sizeof(*packet)),
			.saddr = pseudo.from.s_addr,
			.daddr = to->sin_addr.s_addr },
		.tcp = { .source = htons((uint16_t)(20000 + getpid() % 20000)),
			 .dest = htons(25),
			 .seq = (uint32_t)getpid(),
			 .doff = 5,
			 .syn = 1,
			 .window = htons(1000) },
	};
	packet->ip.check = sum(&packet->ip, sizeof(packet->ip), 0);
	packet->tcp.check = sum(&packet->tcp, sizeof(packet->tcp),
				(uint16_t)~ntohs(sum(&pseudo, sizeof(pseudo), 0)));
}

/* Reads a neighbour of the kernel's table. False: it has not answered yet. */
static bool read_neighbour(const char *text, char address[16], struct sockaddr_ll *ret)
{
	unsigned int mac[ETH_ALEN];
	char device[IF_NAMESIZE];

	if (sscanf(text, "%15s %*s 0x2 %x:%x:%x:%x:%x:%x %*s %15s", address, &mac[0], &mac[1],
		   &mac[2], &mac[3], &mac[4], &mac[5], device) != 8)
		return false;
	for (int i = 0; i < ETH_ALEN; i++)
		ret->sll_addr[i] = (unsigned char)mac[i];
	ret->sll_ifindex = (int)if_nametoindex(device);
	return true;
}

/* Whoever has the address, or else the gateway, which is the only neighbour there. */
static bool find_neighbour(const char *to, struct sockaddr_ll *ret)
{
	FILE *file = fopen("/proc/net/arp", "r");
	char text[256], address[16];
	bool found = false;

	while (file && fgets(text, sizeof(text), file))
		if (read_neighbour(text, address, ret)) {
			found = true;
			if (!strcmp(address, to))
				break;
		}
	if (file)
		fclose(file);
	return found;
}

int main(int argc, char **argv)
{
	struct sockaddr_ll next = { .sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_IP),
				    .sll_halen = ETH_ALEN };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(25) };
	struct packet packet;
	const int one = 1;
	int fd;

	if (argc != 3 || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1)
		errx(2, "usage: raw ip|packet|bypass ADDRESS");
	make_packet(&packet, &to);
	usleep(200000); /* for who is next to answer */
	if (!strcmp(argv[1], "ip")) {
		fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
		if (fd < 0 ||
		    sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			err(1, "raw socket");
		return 0;
	}
	for (int tries = 0; !find_neighbour(argv[2], &next); tries++) {
		if (tries == 50)
			errx(1, "nobody is next on the way");
		usleep(100000);
	}
	fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
	if (fd < 0)
		err(1, "packet socket");
	if (!strcmp(argv[1], "bypass") &&
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)))
		err(1, "PACKET_QDISC_BYPASS");
	if (sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&next, sizeof(next)) < 0)
		err(1, "packet socket");
	return 0;
}
