// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The knob: /sys/bus/virtio/devices/virtioN/balloon/, one value a file, sizes
 * in bytes. Documented in sysfs-bus-virtio-ballonet.
 */
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/sysfs.h>
#include <linux/virtio.h>

#include "internal.h"
#include "size.h"

static struct ballonet *to_ballonet(struct device *dev)
{
	return dev_to_virtio(dev)->priv;
}

static ssize_t emit_frames(char *buf, u64 frames)
{
	return sysfs_emit(buf, "%llu\n", frames << BALLONET_FRAME_SHIFT);
}

static ssize_t target_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return emit_frames(buf, READ_ONCE(to_ballonet(dev)->target));
}

static ssize_t target_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	struct ballonet *bal = to_ballonet(dev);
	u64 frames;
	int rc;

	/* The standard's configuration space has 32 bits for the size. */
	rc = ballonet_size_parse(buf, U32_MAX, &frames);
	if (rc)
		return rc;
	WRITE_ONCE(bal->target, frames);
	/* A new target is worth asking a host again that has refused. */
	WRITE_ONCE(bal->refused, false);
	ballonet_event_wish(bal);
	ballonet_engine_kick(bal);
	return count;
}
static DEVICE_ATTR_RW(target);

static ssize_t host_target_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	return emit_frames(buf, READ_ONCE(to_ballonet(dev)->host_target));
}
static DEVICE_ATTR_RO(host_target);

static ssize_t actual_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return emit_frames(buf, ballonet_engine_actual(to_ballonet(dev)));
}
static DEVICE_ATTR_RO(actual);

static ssize_t hinted_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return emit_frames(buf, ballonet_hint_held(to_ballonet(dev)));
}
static DEVICE_ATTR_RO(hinted);

static ssize_t standby_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	return emit_frames(buf, ballonet_standby_frames(to_ballonet(dev)));
}
static DEVICE_ATTR_RO(standby);

static ssize_t standby_taken_show(struct device *dev,
				  struct device_attribute *attr, char *buf)
{
	return emit_frames(buf, ballonet_standby_taken(to_ballonet(dev)));
}
static DEVICE_ATTR_RO(standby_taken);

static ssize_t standby_limit_show(struct device *dev,
				  struct device_attribute *attr, char *buf)
{
	return emit_frames(buf, READ_ONCE(to_ballonet(dev)->standby.limit));
}

static ssize_t standby_limit_store(struct device *dev,
				   struct device_attribute *attr,
				   const char *buf, size_t count)
{
	struct ballonet *bal = to_ballonet(dev);
	u64 frames;
	int rc;

	rc = ballonet_size_parse(buf, U32_MAX, &frames);
	if (rc)
		return rc;
	WRITE_ONCE(bal->standby.limit, frames);
	ballonet_pool_kick(bal);
	return count;
}
static DEVICE_ATTR_RW(standby_limit);

static ssize_t floor_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	return emit_frames(buf, READ_ONCE(to_ballonet(dev)->floor));
}

static ssize_t floor_store(struct device *dev, struct device_attribute *attr,
			   const char *buf, size_t count)
{
	struct ballonet *bal = to_ballonet(dev);
	u64 frames;
	int rc;

	rc = ballonet_size_parse(buf, totalram_pages(), &frames);
	if (rc)
		return rc;
	WRITE_ONCE(bal->floor_is_set, true);
	WRITE_ONCE(bal->floor, frames);
	ballonet_engine_kick(bal);
	return count;
}
static DEVICE_ATTR_RW(floor);

static ssize_t node_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	int nid = READ_ONCE(to_ballonet(dev)->preferred);

	return nid == NUMA_NO_NODE ? sysfs_emit(buf, "any\n") :
				     sysfs_emit(buf, "%d\n", nid);
}

static ssize_t node_store(struct device *dev, struct device_attribute *attr,
			  const char *buf, size_t count)
{
	int nid;

	if (sysfs_streq(buf, "any"))
		nid = NUMA_NO_NODE;
	else if (kstrtoint(buf, 10, &nid) || !ballonet_node_exists(nid))
		return -EINVAL;
	WRITE_ONCE(to_ballonet(dev)->preferred, nid);
	return count;
}
static DEVICE_ATTR_RW(node);

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	static const char * const names[] = {
		[BALLONET_IDLE] = "idle",
		[BALLONET_ASKED] = "asked",
		[BALLONET_INFLATING] = "inflating",
		[BALLONET_DEFLATING] = "deflating",
		[BALLONET_FLOOR] = "floor",
		[BALLONET_NOMEM] = "no-memory",
		[BALLONET_PRESSURE] = "pressure",
		[BALLONET_REFUSED] = "refused",
		[BALLONET_SILENT] = "silent",
		[BALLONET_BROKEN] = "broken",
	};

	struct ballonet *bal = to_ballonet(dev);
	enum ballonet_state state = READ_ONCE(bal->state);

	static_assert(ARRAY_SIZE(names) == BALLONET_NR_STATES);
	if (state == BALLONET_IDLE && bal->eventq &&
	    READ_ONCE(bal->target) > READ_ONCE(bal->host_target))
		state = BALLONET_ASKED;
	return sysfs_emit(buf, "%s\n", names[state]);
}
static DEVICE_ATTR_RO(state);

static ssize_t psi_show(struct device *dev, struct device_attribute *attr,
			char *buf)
{
	return sysfs_emit(buf, "%s\n",
			  ballonet_psi_armed(to_ballonet(dev)) ? "armed" :
								 "none");
}

static ssize_t psi_store(struct device *dev, struct device_attribute *attr,
			 const char *buf, size_t count)
{
	int fd, rc = 0;

	if (kstrtoint(buf, 10, &fd))
		return -EINVAL;
	if (fd == -1)
		ballonet_psi_disarm(to_ballonet(dev));
	else
		rc = ballonet_psi_arm(to_ballonet(dev), fd);
	return rc ?: count;
}
static DEVICE_ATTR_RW(psi);

static struct attribute *attrs[] = {
	&dev_attr_target.attr,
	&dev_attr_host_target.attr,
	&dev_attr_actual.attr,
	&dev_attr_floor.attr,
	&dev_attr_hinted.attr,
	&dev_attr_standby.attr,
	&dev_attr_standby_taken.attr,
	&dev_attr_standby_limit.attr,
	&dev_attr_node.attr,
	&dev_attr_state.attr,
	&dev_attr_psi.attr,
	NULL
};

static const struct attribute_group group = {
	.name = "balloon",
	.attrs = attrs,
};

const struct attribute_group *ballonet_groups[] = { &group, NULL };
