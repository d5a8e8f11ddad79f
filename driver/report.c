// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Free page reporting: the kernel shows us free blocks that it has set aside
 * for a moment, we show them to the host, and the host may drop what is in
 * them. VIRTIO 1.3, section 5.5.6.7. Nothing is taken from the guest, so the
 * floor has no say here.
 *
 * While the host owes its answer the blocks must not go back to the kernel:
 * the host may still drop them. So the kernel's reporting thread waits here
 * for the answer or for the device's reset, whichever comes first. A silent
 * host costs the guest the blocks of one report until then, and keeps it from
 * being suspended.
 */
#include <linux/mm.h>
#include <linux/page_reporting.h>
#include <linux/pageblock-flags.h>
#include <linux/scatterlist.h>
#include <linux/virtio.h>

#include "internal.h"

#if IS_ENABLED(CONFIG_PAGE_REPORTING)

static u64 sg_bytes(struct scatterlist *sg, unsigned int nents)
{
	u64 bytes = 0;
	unsigned int i;

	for_each_sg(sg, sg, nents, i)
		bytes += sg->length;
	return bytes;
}

static void report_count(struct ballonet *bal, u64 bytes, int rc)
{
	ballonet_count(bal, rc ? BALLONET_C_REPORT_FAILED : BALLONET_C_REPORT,
		       1);
	if (!rc)
		ballonet_count(bal, BALLONET_C_REPORT_BYTES, bytes);
}

static int report(struct page_reporting_dev_info *info, struct scatterlist *sg,
		  unsigned int nents)
{
	struct ballonet *bal = container_of(info, struct ballonet, reporting);
	u64 bytes = sg_bytes(sg, nents);
	unsigned long flags;
	int rc;

	spin_lock_irqsave(&bal->lock, flags);
	rc = bal->closed ? -ENODEV :
	     virtqueue_add_inbuf(bal->reportq, sg, nents, bal, GFP_ATOMIC);
	if (!rc) {
		bal->report_done = false;
		WRITE_ONCE(bal->report_out, true);
		virtqueue_kick(bal->reportq);
	}
	spin_unlock_irqrestore(&bal->lock, flags);
	report_count(bal, bytes, rc);
	if (rc)
		return rc;
	/* Idle, since a host that is silent makes no hung task of us. */
	wait_event_idle(bal->answer_wq,
			READ_ONCE(bal->report_done) || READ_ONCE(bal->reset));
	spin_lock_irqsave(&bal->lock, flags);
	bal->report_over += bytes >> PAGE_SHIFT;
	WRITE_ONCE(bal->report_out, false);
	spin_unlock_irqrestore(&bal->lock, flags);
	/* Who runs out of memory waits for these blocks. */
	wake_up_all(&bal->answer_wq);
	return 0;
}

/**
 * ballonet_report_callback() - the host is done with a report
 * @vq:		reporting_vq
 *
 * Context: interrupt.
 */
void ballonet_report_callback(struct virtqueue *vq)
{
	struct ballonet *bal = vq->vdev->priv;
	unsigned long flags;
	unsigned int len;

	spin_lock_irqsave(&bal->lock, flags);
	if (!bal->closed && virtqueue_get_buf(vq, &len))
		WRITE_ONCE(bal->report_done, true);
	spin_unlock_irqrestore(&bal->lock, flags);
	wake_up_all(&bal->answer_wq);
}

/**
 * ballonet_report_start() - let the kernel show its free blocks
 * @bal:	the balloon of a device that is ready
 *
 * Not being able to is no reason to be without a balloon.
 */
void ballonet_report_start(struct ballonet *bal)
{
	unsigned int entries;
	int rc;

	if (!bal->reportq)
		return;
	entries = virtqueue_get_vring_size(bal->reportq);
	if (entries < PAGE_REPORTING_CAPACITY) {
		dev_warn(&bal->vdev->dev,
			 "no free page reporting: its queue has %u entries, the host has to give it %u\n",
			 entries, PAGE_REPORTING_CAPACITY);
		return;
	}
	bal->reporting.report = report;
	/* Named, because what zero means differs between kernels. */
	bal->reporting.order = pageblock_order;
	rc = page_reporting_register(&bal->reporting);
	if (rc == -EBUSY)
		dev_info(&bal->vdev->dev,
			 "no free page reporting: another driver does it\n");
	else if (rc)
		dev_warn(&bal->vdev->dev,
			 "no free page reporting: error %d\n", rc);
	bal->reports = !rc;
}

/**
 * ballonet_report_stop() - a report that waits has its blocks back
 * @bal:	the balloon of a device without rings
 */
void ballonet_report_stop(struct ballonet *bal)
{
	WRITE_ONCE(bal->reset, true);
	wake_up_all(&bal->answer_wq);
	if (bal->reports)
		page_reporting_unregister(&bal->reporting);
	bal->reports = false;
}

#else

void ballonet_report_callback(struct virtqueue *vq)
{
}

void ballonet_report_start(struct ballonet *bal)
{
}

void ballonet_report_stop(struct ballonet *bal)
{
}

#endif
