/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gives up the rights that a logger without root does not need, before the logger looks at
 * anything that others can choose.
 */
#ifndef SMTPWARD_CONFINE_H
#define SMTPWARD_CONFINE_H

/*
 * Drops all capabilities, but for CAP_BPF if this kernel asks for it at every bpf(2), and blocks
 * every bpf(2) but the reading and writing of maps by their pins, for good: from here on the
 * process loads no program, makes no map and detaches no link. -ENOTSUP if the filter does not
 * know the architecture; the capabilities are dropped all the same.
 */
int confine(void);

#endif /* SMTPWARD_CONFINE_H */
