/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A logger that is not root gives up what it does not need, before it looks at
 * anything that others can choose.
 */
#ifndef SMTPWARD_CONFINE_H
#define SMTPWARD_CONFINE_H

/*
 * Drops all capabilities but CAP_BPF where this kernel wants it for every bpf(2), and
 * for good all of bpf(2) that is not for reading and writing maps by their pins: no
 * program is loaded, no map made, no link detached from here on. -ENOTSUP if the
 * architecture is none that the filter knows; the capabilities are dropped all the same.
 */
int confine(void);

#endif /* SMTPWARD_CONFINE_H */
