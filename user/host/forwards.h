/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists whose packets go through this machine, in the network namespace of this process. */
#ifndef SMTPWARD_FORWARDS_H
#define SMTPWARD_FORWARDS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Writes the devices that packets of others come in by: those that the machine routes for, and
 * ports of bridges; "" if it forwards nothing, and "..." for what has no room. 0 or -errno.
 */
int forwards_list_devices(char *ret_text, size_t size);

/*
 * The same of connections of others to one of the ports, as "10.0.0.7 to 192.0.2.1 port 25", as far
 * as the kernel's table of connections tells: "" if there is no such table.
 */
int forwards_list_flows(const uint16_t *ports, size_t n_ports, char *ret_text, size_t size);

#endif /* SMTPWARD_FORWARDS_H */
