# SPDX-License-Identifier: GPL-2.0-or-later
# Enumerators are invisible to #ifdef and move between stable releases: ask
# the header itself.
probe = $(if $(shell grep -sw $(1) $(srctree)/include/linux/$(2)),-D$(3))

ccflags-y += $(call probe,PGSCAN_DIRECT,mmzone.h,BALLONET_HAVE_NODE_PGSCAN)
ccflags-y += $(call probe,NR_BALLOON_PAGES,mmzone.h,BALLONET_HAVE_NODE_BALLOON)
ccflags-y += $(call probe,balloon_page_finalize,balloon_compaction.h,BALLONET_HAVE_BALLOON_FINALIZE)
ccflags-y += $(call probe,get_extended_features,virtio_config.h,BALLONET_HAVE_EXTENDED_FEATURES)
ccflags-y += $(call probe,reset_prepare,virtio.h,BALLONET_HAVE_RESET_PREPARE)
ccflags-y += $(if $(wildcard $(srctree)/include/linux/balloon.h),-DBALLONET_HAVE_BALLOON_HEADER)
