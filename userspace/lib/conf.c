// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * inih splits lines into names and values. It calls back for values only, and
 * cuts sections at 50 characters; so the reader that feeds it with lines
 * looks for sections itself. That also makes it know the line of every value.
 *
 * The drop-ins PATH.d/NAME.conf are read after PATH, in the order of their
 * names; what is given again there wins. Twice in one file is a mistake. PATH
 * itself may be missing; a drop-in that is listed has to be readable, else a
 * link to nowhere would silently take its VMs away.
 */
#include "conf.h"
#include "size.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Devices count in frames of 4096 bytes. */
#define FRAME 4096

enum section {
	SECTION_NONE,
	SECTION_MANAGER,
	SECTION_VM,
};

/* One file that is being read. */
struct reading {
	struct conf *conf;
	struct conf_error *error;
	FILE *file;
	int line;
	bool failed;
	enum section section;
	/* the VM of SECTION_VM, by number: the array moves when it grows */
	size_t vm;
	/* keys of this section in this file, as bits */
	unsigned int given;
};

static int wrong(struct reading *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Keeps the first mistake only. Return: -EINVAL. */
static int wrong(struct reading *r, const char *format, ...)
{
	va_list args;

	if (r->failed)
		return -EINVAL;
	r->failed = true;
	r->error->line = r->line;
	va_start(args, format);
	vsnprintf(r->error->text, sizeof(r->error->text), format, args);
	va_end(args);
	return -EINVAL;
}

static int set_text(struct reading *r, char **text, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return wrong(r, "out of memory");
	free(*text);
	*text = copy;
	return 0;
}

static int set_backend(struct reading *r, const char *value)
{
	if (value[0] != '/')
		return wrong(r, "backend: '%s': expected an absolute path",
			     value);
	return set_text(r, &r->conf->backend, value);
}

static int set_vm_group(struct reading *r, const char *value)
{
	if (!*value)
		return wrong(r, "vm_group: expected the name of a group");
	return set_text(r, &r->conf->vm_group, value);
}

static int set_control_group(struct reading *r, const char *value)
{
	if (!*value)
		return wrong(r, "control_group: expected the name of a group");
	return set_text(r, &r->conf->control_group, value);
}

static int set_wish(struct reading *r, const char *key, const char *value,
		    enum conf_wish wish)
{
	struct conf_vm *vm = &r->conf->vms[r->vm];
	uint64_t bytes;

	if (size_parse(value, &bytes) || bytes % FRAME)
		return wrong(r, "%s: '%s': expected a size that is a multiple of 4 KiB, such as 512M or 1.5G",
			     key, value);
	vm->wish = wish;
	vm->bytes = bytes;
	return 0;
}

static int set_balloon(struct reading *r, const char *value)
{
	return set_wish(r, "balloon", value, CONF_WISH_BALLOON);
}

static int set_memory(struct reading *r, const char *value)
{
	return set_wish(r, "memory", value, CONF_WISH_MEMORY);
}

static int set_wishes(struct reading *r, const char *value)
{
	bool grant = !strcmp(value, "grant");

	if (!grant && strcmp(value, "report"))
		return wrong(r, "wishes: '%s': expected grant or report",
			     value);
	r->conf->vms[r->vm].grant = grant;
	return 0;
}

/* Keys of one group exclude each other in one section of one file. */
static const struct key {
	enum section section;
	const char *name;
	unsigned int group;
	int (*set)(struct reading *r, const char *value);
} keys[] = {
	{ SECTION_MANAGER, "backend", 0, set_backend },
	{ SECTION_MANAGER, "vm_group", 1, set_vm_group },
	{ SECTION_MANAGER, "control_group", 2, set_control_group },
	{ SECTION_VM, "balloon", 3, set_balloon },
	{ SECTION_VM, "memory", 3, set_memory },
	{ SECTION_VM, "wishes", 4, set_wishes },
};

static const char *const section_keys[] = {
	[SECTION_NONE] = "[manager] or [vm NAME] before the first key",
	[SECTION_MANAGER] = "backend, vm_group or control_group",
	[SECTION_VM] = "balloon, memory or wishes",
};

static int key_set(struct reading *r, const char *name, const char *value)
{
	const struct key *key;

	for (key = keys; key < keys + ARRAY_SIZE(keys); key++)
		if (key->section == r->section && !strcmp(key->name, name))
			break;
	if (key == keys + ARRAY_SIZE(keys))
		return wrong(r, "unknown key '%s': expected %s", name,
			     section_keys[r->section]);
	if (r->given & 1u << key->group)
		return wrong(r, "%s: expected once in a section%s", name,
			     key->group == 3 ?
			     ", and either balloon or memory" : "");
	r->given |= 1u << key->group;
	return key->set(r, value);
}

/* inih's handler. Return: 1 to go on, 0 on failure. */
static int on_value(void *user, const char *section, const char *name,
		    const char *value)
{
	struct reading *r = user;

	(void)section;
	return !r->failed && !key_set(r, name, value);
}

static int vm_find_or_add(struct reading *r, const char *name)
{
	struct conf *conf = r->conf;
	struct conf_vm *vms;
	size_t i;

	for (i = 0; i < conf->nr_vms; i++)
		if (!strcmp(conf->vms[i].name, name))
			break;
	if (i == conf->nr_vms) {
		vms = reallocarray(conf->vms, i + 1, sizeof(*vms));
		if (!vms)
			return wrong(r, "out of memory");
		conf->vms = vms;
		vms[i] = (struct conf_vm){
			.wish = CONF_WISH_NONE,
			.grant = true,
		};
		snprintf(vms[i].name, sizeof(vms[i].name), "%s", name);
		conf->nr_vms++;
	}
	r->vm = i;
	return 0;
}

static int section_begin(struct reading *r, char *name)
{
	char *end = strchr(name, ']');

	if (!end)
		return wrong(r, "expected ']' at the end of a section's name");
	*end = '\0';
	r->given = 0;
	r->section = SECTION_NONE;
	if (!strcmp(name, "manager")) {
		r->section = SECTION_MANAGER;
		return 0;
	}
	if (strncmp(name, "vm ", 3))
		return wrong(r, "unknown section [%s]: expected [manager] or [vm NAME]",
			     name);
	name += 3 + strspn(name + 3, " \t");
	if (!interface_name_valid(name))
		return wrong(r, "[vm %s]: expected a name of 1 to %d characters A-Z a-z 0-9 . _ - that does not start with a dot",
			     name, INTERFACE_NAME_MAX);
	r->section = SECTION_VM;
	return vm_find_or_add(r, name);
}

/* inih's reader: as fgets(), and it looks for sections and long lines. */
static char *read_line(char *buf, int size, void *stream)
{
	struct reading *r = stream;
	char name[256];
	char *text;
	size_t len;

	if (r->failed || !fgets(buf, size, r->file))
		return NULL;
	r->line++;
	len = strlen(buf);
	if (len == (size_t)size - 1 && buf[len - 1] != '\n') {
		wrong(r, "line too long: expected at most %d characters",
		      size - 2);
		return NULL;
	}
	text = buf + strspn(buf, " \t");
	if (*text == '[') {
		snprintf(name, sizeof(name), "%.*s",
			 (int)strcspn(text + 1, "\r\n"), text + 1);
		if (section_begin(r, name))
			return NULL;
		/* At the margin, else inih takes it for more of a value. */
		memmove(buf, text, strlen(text) + 1);
	}
	return buf;
}

static int file_load(const char *path, struct conf *conf,
		     struct conf_error *error)
{
	struct reading r = { .conf = conf, .error = error };
	int line;

	snprintf(error->file, sizeof(error->file), "%s", path);
	r.file = fopen(path, "re");
	if (!r.file) {
		line = -errno;
		wrong(&r, "cannot read: %s", strerror(errno));
		return line;
	}
	line = ini_parse_stream(read_line, &r, on_value, &r);
	if (ferror(r.file))
		wrong(&r, "cannot read: %s", strerror(EIO));
	fclose(r.file);
	/* inih's own complaint: it knows the line, and there is one reason. */
	if (line && !r.failed) {
		r.line = line;
		wrong(&r, "expected [section], key = value or # comment");
	}
	return r.failed ? -EINVAL : 0;
}

static int is_drop_in(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 &&
		!strcmp(entry->d_name + len - 5, ".conf");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int drop_ins_load(const char *path, struct conf *conf,
			 struct conf_error *error)
{
	char dir[PATH_MAX], file[PATH_MAX + NAME_MAX + 2];
	struct dirent **entries;
	int i, n, rc = 0;

	snprintf(dir, sizeof(dir), "%s.d", path);
	n = scandir(dir, &entries, is_drop_in, by_name);
	if (n < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (n < 0) {
		snprintf(error->file, sizeof(error->file), "%s", dir);
		snprintf(error->text, sizeof(error->text), "cannot read: %s",
			 strerror(errno));
		return -errno;
	}
	for (i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", dir, entries[i]->d_name);
		if (!rc)
			rc = file_load(file, conf, error);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

/* A link to nowhere is there: somebody wanted a file. */
static bool is_missing(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 && errno == ENOENT;
}

/**
 * conf_load - read the configuration
 * @path:	the file; its drop-ins are in @path.d
 * @required:	@path has to be there; else its absence is as an empty file
 * @ret_conf:	to be given to conf_deinit(); untouched on failure
 * @ret_error:	on failure, what is wrong
 *
 * A directory of drop-ins need not exist.
 *
 * Return: 0, -EINVAL, or why a file cannot be read.
 */
int conf_load(const char *path, bool required, struct conf *ret_conf,
	      struct conf_error *ret_error)
{
	struct conf_error error = { .line = 0 };
	struct conf conf = { 0 };
	int rc = 0;

	conf.found = required || !is_missing(path);
	if (conf.found)
		rc = file_load(path, &conf, &error);
	if (!rc)
		rc = drop_ins_load(path, &conf, &error);
	if (rc) {
		conf_deinit(&conf);
		*ret_error = error;
		return rc;
	}
	*ret_conf = conf;
	return 0;
}

/**
 * conf_deinit - free a configuration
 * @conf:	afterwards empty
 */
void conf_deinit(struct conf *conf)
{
	free(conf->backend);
	free(conf->vm_group);
	free(conf->control_group);
	free(conf->vms);
	*conf = (struct conf){ 0 };
}
