// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager.h"
#include "log.h"
#include "vm_backend.h"
#include "vm_note.h"
#include "vm_process.h"
#include "vm_qmp.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKEND_DEFAULT BALLONET_LIBEXECDIR "/vhost-user-balloon"
#define CONTROL_SUFFIX ".control"

static gid_t group_find(const char *name)
{
	struct group *group;

	if (!name)
		return -1;
	group = getgrnam(name);
	if (!group)
		log_warn("group '%s' does not exist, sockets keep our own",
			 name);
	return group ? group->gr_gid : (gid_t)-1;
}

static void period_update(struct manager *manager)
{
	const struct conf_host *conf = &manager->conf.host;
	struct vm_settings *settings = &manager->settings;
	uint32_t show_ms = conf->manage == CONF_MANAGE_OFF ? 0 :
		conf->period_ms;
	struct vm *vm;

	if (settings->period_ms == conf->period_ms &&
	    settings->show_ms == show_ms)
		return;
	settings->period_ms = conf->period_ms;
	settings->show_ms = show_ms;
	for (vm = manager->vms; vm; vm = vm->next)
		if (vm->ops->period)
			vm->ops->period(vm);
}

/* The configuration's values that VMs and sockets to come look at. */
static void settings_update(struct manager *manager)
{
	const struct manager_args *args = manager->args;
	const struct conf *conf = &manager->conf;

	manager->settings.backend = args->backend ? args->backend :
		conf->backend ? conf->backend : BACKEND_DEFAULT;
	manager->settings.gid = group_find(conf->vm_group);
	manager->control_gid = group_find(conf->control_group);
	period_update(manager);
	if (access(manager->settings.backend, X_OK) < 0)
		log_warn("%s: %m: VMs will be refused",
			 manager->settings.backend);
}

/* One that is there keeps its mode: it may be an administrator's. */
static int dir_make(const char *path, mode_t mode, gid_t gid)
{
	bool made = mkdir(path, mode) == 0;

	if (!made && errno != EEXIST)
		return -errno;
	if (gid != (gid_t)-1 && chown(path, -1, gid) < 0)
		return -errno;
	/* Whatever the umask. */
	return made && chmod(path, mode) < 0 ? -errno : 0;
}

static int dirs_make(struct manager *manager)
{
	const char *run = manager->args->runtime_dir;
	gid_t gid = manager->settings.gid;
	char qmp_dir[SOCK_PATH_MAX];
	int rc;

	if (snprintf(manager->vm_dir, sizeof(manager->vm_dir), "%s/vm", run) >=
	    (int)sizeof(manager->vm_dir) ||
	    snprintf(manager->control_path, sizeof(manager->control_path),
		     "%s/control", run) >= (int)sizeof(manager->control_path)) {
		log_err("%s: path of %zu bytes, limit %d", run, strlen(run),
			SOCK_PATH_MAX - (int)sizeof("/control"));
		return -ENAMETOOLONG;
	}
	snprintf(qmp_dir, sizeof(qmp_dir), "%s/qmp", run);
	rc = dir_make(run, 0755, -1) ?:
		dir_make(manager->vm_dir, 0750, gid);
	/* For VMMs, whose group may be another if somebody else has made it. */
	if (!rc && access(qmp_dir, F_OK))
		rc = dir_make(qmp_dir, 01770, gid);
	if (rc)
		log_err("%s: cannot make the directory: %s", run,
			strerror(-rc));
	return rc;
}

static void on_reaper(void *userdata);

static void on_told(void *userdata, const struct interface_event *event,
		    uint64_t lost)
{
	struct manager *manager = userdata;

	manager->events.lost += lost;
	if (event) {
		event_log_add(&manager->events, event);
		governor_told(manager->governor, event->type);
	}
	if (manager->news)
		alarm_set(manager->news, 0);
}

/**
 * manager_init - read the configuration and make the directories
 * @manager:	the caller's storage
 * @args:	the command line; outlives the manager
 * @loop:	which runs
 *
 * Logs its failures.
 *
 * Return: 0 or a negative errno.
 */
int manager_init(struct manager *manager, const struct manager_args *args,
		 uv_loop_t *loop)
{
	struct conf_error error;
	int rc;

	*manager = (struct manager){ .args = args };
	manager->settings.loop = loop;
	manager->settings.dir = manager->vm_dir;
	manager->settings.conf = &manager->conf;
	manager->settings.told = on_told;
	manager->settings.manager = manager;
	rc = alarm_create(loop, on_reaper, manager,
			  &manager->settings.reaper) ?:
		governor_create(manager, &manager->governor);
	if (rc) {
		log_err("cannot start: %s", strerror(-rc));
		return rc;
	}
	rc = conf_load(args->conf_path, args->conf_given, &manager->conf,
		       &error);
	if (rc) {
		log_err("%s:%d: %s", error.file, error.line, error.text);
		return rc;
	}
	settings_update(manager);
	return dirs_make(manager);
}

/**
 * manager_find - look for a VM
 * @manager:	the manager
 * @name:	the VM's name
 *
 * Return: the VM, or NULL.
 */
struct vm *manager_find(struct manager *manager, const char *name)
{
	struct vm *vm;

	for (vm = manager->vms; vm; vm = vm->next)
		if (!strcmp(vm->name, name))
			return vm;
	return NULL;
}

static int vm_create(struct manager *manager, const char *name,
		     const struct way *way, struct vm **ret_vm,
		     struct fault *ret_fault)
{
	const struct vm_settings *settings = &manager->settings;
	int rc = 0;

	switch (way->kind) {
	case WAY_QMP:
		return vm_qmp_create(settings, name, way, ret_vm, ret_fault);
	case WAY_PROCESS:
		rc = vm_process_create(settings, name, way, ret_vm);
		break;
	default:
		rc = vm_backend_create(settings, name, ret_vm);
		break;
	}
	return rc ? fault_set(ret_fault, rc, "%s", sock_bind_error(rc)) : 0;
}

/**
 * manager_path - where a VM's way begins
 * @vm:		a VM
 *
 * Return: the socket that its VMM connects to, or what the way says.
 */
const char *manager_path(struct vm *vm)
{
	struct vm_backend *b = vm_backend_of(vm);

	return b ? b->socket_path : vm->way.path;
}

static const char *way_text(const struct way *way)
{
	return way->kind == WAY_BACKEND ? "listening at" : "managed by";
}

/**
 * manager_add - begin to listen for a VM's VMM, or to ask its monitor
 * @manager:	the manager
 * @name:	the VM's name
 * @way:	to the VM
 * @ret_vm:	the VM
 * @ret_fault:	if it is none of the first two errors, what is wrong
 *
 * Return: 0, -EINVAL if the name is not valid, -EALREADY if there is one, or
 * another negative errno.
 */
int manager_add(struct manager *manager, const char *name,
		const struct way *way, struct vm **ret_vm,
		struct fault *ret_fault)
{
	struct vm *vm, **end;
	int rc;

	if (!interface_name_valid(name))
		return -EINVAL;
	for (end = &manager->vms; *end; end = &(*end)->next)
		if (!strcmp((*end)->name, name))
			return -EALREADY;
	rc = vm_create(manager, name, way, &vm, ret_fault);
	if (rc)
		return rc == -EINVAL || rc == -EALREADY ? -EPROTO : rc;
	*end = vm;
	log_info("%s: %s %s", name, way_text(way), manager_path(vm));
	*ret_vm = vm;
	return 0;
}

/* It is in no list any more. */
static void vm_forget(struct manager *manager, struct vm *vm)
{
	vm_note_remove(manager->vm_dir, vm->name);
	vm_hand_forget(vm);
	vm_destroy(vm);
}

/**
 * manager_remove - forget a VM
 * @manager:	the manager
 * @vm:		the VM
 *
 * Return: 0, or -EBUSY if there is a VMM.
 */
int manager_remove(struct manager *manager, struct vm *vm)
{
	struct vm **link = &manager->vms;

	if (vm->ops->bound(vm))
		return -EBUSY;
	while (*link != vm)
		link = &(*link)->next;
	*link = vm->next;
	log_info("%s: removed", vm->name);
	vm_forget(manager, vm);
	return 0;
}

static void on_reaper(void *userdata)
{
	struct manager *manager = userdata;
	struct vm *vm, *next;

	for (vm = manager->vms; vm; vm = next) {
		next = vm->next;
		if (vm->doomed)
			manager_remove(manager, vm);
	}
}

static void way_failed(const struct manager *manager,
		       const struct conf_vm *want, const char *why)
{
	if (want->way.kind)
		log_err("%s: cannot be managed by %s: %s", want->name,
			want->way.path, why);
	else
		log_err("%s: cannot listen at %s/%s.sock: %s", want->name,
			manager->vm_dir, want->name, why);
}

/*
 * Another way to a VM that is known: the old one is left when the new one is
 * there, and not while a VMM needs it.
 */
static int vm_move(struct manager *manager, const struct conf_vm *want,
		   struct vm **vm)
{
	struct vm *old = *vm, *moved, **link;
	struct fault why = { "" };
	int rc;

	if (old->ops->bound(old)) {
		log_warn("%s: its VMM is connected: the other way to it has to wait until that is gone",
			 want->name);
		return 0;
	}
	rc = vm_create(manager, want->name, &want->way, &moved, &why);
	if (rc) {
		way_failed(manager, want, why.text);
		log_warn("%s: stays as it was, %s %s", want->name,
			 way_text(&old->way), manager_path(old));
		return rc;
	}
	for (link = &manager->vms; *link != old; link = &(*link)->next)
		;
	moved->next = old->next;
	*link = moved;
	vm_forget(manager, old);
	log_info("%s: %s %s", want->name, way_text(&want->way),
		 manager_path(moved));
	*vm = moved;
	return 0;
}

/* What was changed by a call stays, unless its line in the file has changed. */
static int vm_configure(struct manager *manager, const struct conf_vm *want,
			 const struct conf_vm *had)
{
	struct vm *vm = manager_find(manager, want->name), *known = vm;
	struct fault why = { "" };
	int rc = 0;

	if (!vm) {
		rc = manager_add(manager, want->name, &want->way, &vm, &why);
		if (rc) {
			way_failed(manager, want, why.text);
			return rc;
		}
		had = NULL;
	} else if (!way_equal(&vm->way, &want->way)) {
		rc = vm_move(manager, want, &vm);
		if (vm != known)
			had = NULL;
	}
	vm->configured = true;
	vm->doomed = false;
	if (!had && want->wish == CONF_WISH_NONE) {
		vm_hand_recall(vm);
	} else if (!had || had->wish != want->wish ||
		   had->bytes != want->bytes) {
		vm_hand_forget(vm);
		vm_wish(vm, want->wish, want->bytes);
	}
	if (vm->grant != want->grant)
		vm_grant(vm, want->grant);
	if (vm->prefault != want->prefault)
		vm_prefault(vm, want->prefault);
	return rc;
}

/* Return: for how many VMs nobody listens; each is logged. */
static size_t vms_configure(struct manager *manager, const struct conf *old)
{
	const struct conf *conf = &manager->conf;
	struct vm *vm, *next;
	size_t i, missing = 0;

	for (i = 0; i < conf->nr_vms; i++)
		if (vm_configure(manager, &conf->vms[i],
				 conf_vm_find(old, conf->vms[i].name)))
			missing++;
	for (vm = manager->vms; vm; vm = next) {
		next = vm->next;
		if (!vm->configured || conf_vm_find(conf, vm->name))
			continue;
		vm->doomed = true;
		if (manager_remove(manager, vm))
			log_warn("%s: no longer configured, but its VMM is connected: kept until it is gone",
				 vm->name);
	}
	return missing;
}

static void vm_found(struct manager *manager, const char *name)
{
	static const struct way way = { .kind = WAY_BACKEND };
	struct vm *vm = manager_find(manager, name);
	struct fault why;

	if (!vm) {
		if (manager_add(manager, name, &way, &vm, &why))
			return;
		vm_hand_recall(vm);
	}
	if (!vm_backend_of(vm))
		return;
	if (!vm_adopt(vm_backend_of(vm)))
		log_info("%s: found a back-end that runs", name);
	else if (!vm->configured)
		manager_remove(manager, vm);
}

/* Who was added by a call to a manager before us and has no back-end. */
static void vm_noted(struct manager *manager, const char *name)
{
	struct fault why = { "" };
	struct way way;
	struct vm *vm;
	int rc;

	if (manager_find(manager, name))
		return;
	rc = vm_note_read(manager->vm_dir, name, &way);
	/* It was configured, and is no more. */
	if (rc == -ENOENT) {
		vm_note_remove(manager->vm_dir, name);
		return;
	}
	if (!rc)
		rc = manager_add(manager, name, &way, &vm, &why);
	if (rc)
		log_err("%s: was added before, but cannot be managed: %s",
			name, why.text[0] ? why.text : "its note is damaged");
	else
		vm_hand_recall(vm);
}

/* What a manager before us has left shows by its files' names. */
static void vms_find(struct manager *manager, const char *suffix,
		     void (*found)(struct manager *manager, const char *name))
{
	char name[INTERFACE_NAME_MAX + 1];
	struct dirent *entry;
	size_t len;
	DIR *dir = opendir(manager->vm_dir);

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		len = strlen(entry->d_name);
		if (len <= strlen(suffix) ||
		    len >= sizeof(name) + strlen(suffix) ||
		    strcmp(entry->d_name + len - strlen(suffix), suffix))
			continue;
		snprintf(name, sizeof(name), "%.*s",
			 (int)(len - strlen(suffix)), entry->d_name);
		if (interface_name_valid(name))
			found(manager, name);
	}
	closedir(dir);
}

/**
 * manager_start - listen for the configured VMs, adopt what runs
 * @manager:	the manager; its control socket is bound, so it is the only one
 */
void manager_start(struct manager *manager)
{
	static const struct conf none;

	vms_configure(manager, &none);
	vms_find(manager, CONTROL_SUFFIX, vm_found);
	vms_find(manager, VM_NOTE_SUFFIX, vm_noted);
	governor_leases_recall(manager->governor);
	governor_configure(manager->governor);
}

/**
 * manager_reload - read the configuration again
 * @manager:	the manager
 * @ret_text:	on failure, what is wrong and what stays
 * @size:	of @ret_text
 *
 * Return: 0 or a negative errno. -EADDRNOTAVAIL if all was done but to listen
 * for some VMs, which the next reload tries again; else nothing has changed.
 */
int manager_reload(struct manager *manager, char *ret_text, size_t size)
{
	struct conf_error error;
	struct conf conf, old;
	size_t missing;
	int rc;

	/* A file that was there and is not now is a mistake, not a wish. */
	rc = conf_load(manager->args->conf_path,
		       manager->args->conf_given || manager->conf.found, &conf,
		       &error);
	if (rc) {
		snprintf(ret_text, size, "%s:%d: %s; the running configuration stays",
			 error.file, error.line, error.text);
		return rc;
	}
	old = manager->conf;
	manager->conf = conf;
	settings_update(manager);
	missing = vms_configure(manager, &old);
	conf_deinit(&old);
	governor_configure(manager->governor);
	log_info("configuration reloaded: %zu VMs configured", conf.nr_vms);
	if (!missing)
		return 0;
	snprintf(ret_text, size, "cannot listen for %zu of %zu VMs, see the log; all else is reloaded",
		 missing, conf.nr_vms);
	return -EADDRNOTAVAIL;
}

/**
 * manager_deinit - forget all VMs; back-ends go on
 * @manager:	what manager_init() set up
 */
void manager_deinit(struct manager *manager)
{
	struct vm *vm;

	while ((vm = manager->vms)) {
		manager->vms = vm->next;
		vm_destroy(vm);
	}
	governor_destroy(&manager->governor);
	alarm_destroy(&manager->settings.reaper);
	conf_deinit(&manager->conf);
}
