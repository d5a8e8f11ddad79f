/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way to a VM's QMP socket: connects, asks at intervals, gives up on a VMM
 * that does not answer, and tries again, later each time.
 *
 * Whose socket
 *
 * A QMP socket serves one client. Who connects while another one is there is
 * not refused: nothing comes, not even the greeting, until that one leaves.
 * Then the first in the queue gets in, be it we or the one that the VM
 * belongs to. So it matters which socket this is given:
 *
 * - a second monitor of the VM's own, made for us, is always right:
 *   -qmp unix:/run/ballonet/qmp/NAME,server=on,wait=off on QEMU's command line.
 *   QMP_LINK_HOLD. Events and balloon changes reach every monitor, so whoever
 *   owns the first one sees what is done here.
 * - libvirt keeps its socket (domain-ID-NAME/monitor.sock, see way.c) for as
 *   long as the VM runs. That path is refused: when libvirtd restarts we would
 *   come first, and it would lose the VM. With libvirt the second monitor goes
 *   into the domain's <qemu:commandline>; the domain counts as tainted
 *   (custom-argv), and AppArmor needs the socket's path in
 *   local/abstractions/libvirt-qemu. By hand the same questions can be asked
 *   with virsh qemu-monitor-command DOMAIN. A <stats period=> of the domain
 *   sets the same interval as we do.
 * - Proxmox connects to /var/run/qemu-server/ID.qmp for each command and waits
 *   a few seconds for its turn. QMP_LINK_BORROW does the same: connects, asks,
 *   leaves within milliseconds. No events come in between. Held, it would stop
 *   qm and the web interface for that VM. pvestatd balances by itself: the VM
 *   needs "shares 0" there, and "rivals = ignore" here.
 */
#ifndef BALLONET_QMP_LINK_H
#define BALLONET_QMP_LINK_H

#include "qmp_balloon.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

enum qmp_link_mode {
	/* stay connected: events come at once */
	QMP_LINK_HOLD,
	/* connect for each round of questions */
	QMP_LINK_BORROW,
};

/**
 * struct qmp_link_options - how to treat a VM
 * @path:	its socket
 * @mode:	whose it is
 * @period_ms:	how often everything is asked for
 * @stats_s:	how often QEMU asks the guest for statistics; 0: as often, at
 *		most each second and at least each two
 */
struct qmp_link_options {
	const char *path;
	enum qmp_link_mode mode;
	uint32_t period_ms;
	uint32_t stats_s;
};

/**
 * struct qmp_link_ops - what the owner wants to hear; it may call anything of
 * the link from in there except qmp_link_destroy()
 * @changed:	qmp_link_vm() has news
 * @state:	the VMM answers (@up), or does not any more, and why; called
 *		when that changes, and on the first failure
 * @other:	another VMM than before is behind the path: what was to be set
 *		is forgotten; may be NULL
 */
struct qmp_link_ops {
	void (*changed)(void *userdata);
	void (*state)(bool up, const char *reason, void *userdata);
	void (*other)(void *userdata);
};

struct qmp_link;

enum qmp_link_mode qmp_link_mode_for(const char *path);
int qmp_link_create(uv_loop_t *loop, const struct qmp_link_options *options,
		    const struct qmp_link_ops *ops, void *userdata,
		    struct qmp_link **ret_link, struct fault *ret_fault);
void qmp_link_destroy(struct qmp_link **link);
int qmp_link_set(struct qmp_link *link, uint64_t bytes);
void qmp_link_set_period(struct qmp_link *link, uint32_t period_ms);
uint64_t qmp_link_wanted(const struct qmp_link *link);
const struct qmp_vm *qmp_link_vm(const struct qmp_link *link);
const unsigned int *qmp_link_version(const struct qmp_link *link);
bool qmp_link_up(const struct qmp_link *link);
pid_t qmp_link_pid(const struct qmp_link *link);

#endif
