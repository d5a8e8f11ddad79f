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
#include "conf_parts.h"
#include "rung.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* How often everything is looked at, if nothing else was said. */
#define PERIOD_MS 1000

const char *const conf_manage_names[CONF_NR_MANAGES] = {
	[CONF_MANAGE_OFF] = "off",
	[CONF_MANAGE_DRY_RUN] = "dry-run",
	[CONF_MANAGE_ON] = "on",
};

/**
 * conf_wrong() - note a mistake; the first one counts
 * @r:		what is being read
 * @format:	as printf
 *
 * Return: -EINVAL.
 */
int conf_wrong(struct reading *r, const char *format, ...)
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

/* inih's handler. Return: 1 to go on, 0 on failure. */
static int on_value(void *user, const char *section, const char *name,
		    const char *value)
{
	struct reading *r = user;

	(void)section;
	return !r->failed && !conf_key_set(r, name, value);
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
			return conf_wrong(r, "out of memory");
		conf->vms = vms;
		vms[i] = (struct conf_vm){
			.wish = CONF_WISH_NONE,
			.grant = true,
			.place = { conf->nr_files - 1, r->line },
		};
		snprintf(vms[i].name, sizeof(vms[i].name), "%s", name);
		conf->nr_vms++;
	}
	r->item = i;
	return 0;
}

static int class_find_or_add(struct reading *r, const char *name)
{
	struct conf *conf = r->conf;
	struct conf_class *classes;
	size_t i;

	for (i = 0; i < conf->nr_classes; i++)
		if (!strcmp(conf->classes[i].name, name))
			break;
	if (i == conf->nr_classes) {
		classes = reallocarray(conf->classes, i + 1, sizeof(*classes));
		if (!classes)
			return conf_wrong(r, "out of memory");
		conf->classes = classes;
		classes[i] = (struct conf_class){
			.place = { conf->nr_files - 1, r->line },
		};
		snprintf(classes[i].name, sizeof(classes[i].name), "%s", name);
		conf->nr_classes++;
	}
	r->item = i;
	return 0;
}

static const struct {
	const char *word;
	enum conf_section section;
	/* it has a name, which this looks for; or NULL */
	int (*find_or_add)(struct reading *r, const char *name);
} sections[] = {
	{ "manager", CONF_SECTION_MANAGER, NULL },
	{ "host", CONF_SECTION_HOST, NULL },
	{ "class", CONF_SECTION_CLASS, class_find_or_add },
	{ "vm", CONF_SECTION_VM, vm_find_or_add },
};

/* @text: what stands between the brackets, and what follows them. */
static int section_begin(struct reading *r, char *text)
{
	char *end = strchr(text, ']'), *name;
	size_t i, len;

	if (!end)
		return conf_wrong(r, "expected ']' at the end of a section's name");
	*end = '\0';
	r->given = 0;
	r->section = CONF_SECTION_NONE;
	len = strcspn(text, " \t");
	name = text + len + strspn(text + len, " \t");
	for (i = 0; i < ARRAY_SIZE(sections); i++)
		if (strlen(sections[i].word) == len &&
		    !strncmp(sections[i].word, text, len) &&
		    !sections[i].find_or_add == !text[len])
			break;
	if (i == ARRAY_SIZE(sections))
		return conf_wrong(r, "unknown section [%s]: expected [manager], [host], [class NAME] or [vm NAME]",
				  text);
	r->section = sections[i].section;
	if (!sections[i].find_or_add)
		return 0;
	if (!interface_name_valid(name))
		return conf_wrong(r, "[%s]: expected a name of 1 to %d characters A-Z a-z 0-9 . _ - that does not start with a dot",
				  text, INTERFACE_NAME_MAX);
	return sections[i].find_or_add(r, name);
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
		conf_wrong(r, "line too long: expected at most %d characters",
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

static int file_note(struct reading *r, const char *path)
{
	struct conf *conf = r->conf;
	char **files = reallocarray(conf->files, conf->nr_files + 1,
				    sizeof(*files));

	if (!files)
		return conf_wrong(r, "out of memory");
	conf->files = files;
	files[conf->nr_files] = strdup(path);
	if (!files[conf->nr_files])
		return conf_wrong(r, "out of memory");
	conf->nr_files++;
	return 0;
}

static int file_load(const char *path, struct conf *conf,
		     struct conf_error *error)
{
	struct reading r = { .conf = conf, .error = error };
	int line;

	snprintf(error->file, sizeof(error->file), "%s", path);
	if (file_note(&r, path))
		return -EINVAL;
	r.file = fopen(path, "re");
	if (!r.file) {
		line = -errno;
		conf_wrong(&r, "cannot read: %s", strerror(errno));
		return line;
	}
	line = ini_parse_stream(read_line, &r, on_value, &r);
	if (ferror(r.file))
		conf_wrong(&r, "cannot read: %s", strerror(EIO));
	fclose(r.file);
	/* inih's own complaint: it knows the line, and there is one reason. */
	if (line && !r.failed) {
		r.line = line;
		conf_wrong(&r, "expected [section], key = value or # comment");
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

static const struct conf_class *class_find(const struct conf *conf,
					   const char *name)
{
	size_t i;

	for (i = 0; i < conf->nr_classes; i++)
		if (!strcmp(conf->classes[i].name, name))
			return &conf->classes[i];
	return NULL;
}

static int wrong_at(const struct conf *conf, struct conf_place place,
		    const char *section, const char *name, const char *text,
		    struct conf_error *error)
{
	snprintf(error->file, sizeof(error->file), "%s",
		 conf->files[place.file]);
	error->line = place.line;
	snprintf(error->text, sizeof(error->text), "[%s %s]: %s", section, name,
		 text);
	return -EINVAL;
}

static int vm_resolve(const struct conf *conf, struct conf_vm *vm,
		      struct conf_error *error)
{
	const struct conf_class *class;
	struct fault fault;

	class = class_find(conf, vm->class[0] ? vm->class :
			   CONF_CLASS_DEFAULT);
	if (vm->class[0] && !class) {
		fault_set(&fault, 0, "class: there is no [class %s]",
			  vm->class);
		return wrong_at(conf, vm->class_place, "vm", vm->name,
				fault.text, error);
	}
	if (class)
		policy_inherit(&vm->policy, &class->policy);
	if (policy_check(&vm->policy, &fault))
		return wrong_at(conf, vm->place, "vm", vm->name, fault.text,
				error);
	return 0;
}

static int vms_compare(const void *one, const void *other)
{
	const struct conf_vm *const *a = one, *const *b = other;

	return strcmp((*a)->name, (*b)->name);
}

/* All are looked for several times a second: there may be a thousand. */
static int vms_sort(struct conf *conf, struct conf_error *error)
{
	size_t i;

	if (!conf->nr_vms)
		return 0;
	conf->sorted = calloc(conf->nr_vms, sizeof(void *));
	if (!conf->sorted) {
		snprintf(error->file, sizeof(error->file), "%s",
			 conf->files[0]);
		snprintf(error->text, sizeof(error->text), "out of memory");
		return -ENOMEM;
	}
	for (i = 0; i < conf->nr_vms; i++)
		conf->sorted[i] = &conf->vms[i];
	qsort(conf->sorted, conf->nr_vms, sizeof(void *), vms_compare);
	return 0;
}

/* What can only be seen when everything was read. */
static int resolve(struct conf *conf, struct conf_error *error)
{
	const struct conf_class *class;
	struct fault fault;
	size_t i;
	int rc = 0;

	for (i = 0; i < conf->nr_classes; i++) {
		class = &conf->classes[i];
		if (policy_check(&class->policy, &fault))
			return wrong_at(conf, class->place, "class",
					class->name, fault.text, error);
	}
	for (i = 0; i < conf->nr_vms && !rc; i++)
		rc = vm_resolve(conf, &conf->vms[i], error);
	return rc ?: vms_sort(conf, error);
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
	struct conf conf = {
		.host.manage = CONF_MANAGE_DRY_RUN,
		.host.period_ms = PERIOD_MS,
		.host.ladder = 1u << RUNG_RECLAIM,
	};
	int rc = 0;

	conf.found = required || !is_missing(path);
	if (conf.found)
		rc = file_load(path, &conf, &error);
	if (!rc)
		rc = drop_ins_load(path, &conf, &error);
	if (!rc)
		rc = resolve(&conf, &error);
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
	size_t i;

	free(conf->backend);
	free(conf->vm_group);
	free(conf->control_group);
	free(conf->classes);
	free(conf->vms);
	free(conf->sorted);
	for (i = 0; i < conf->nr_files; i++)
		free(conf->files[i]);
	free(conf->files);
	*conf = (struct conf){ 0 };
}

static int name_compare(const void *name, const void *element)
{
	const struct conf_vm *const *vm = element;

	return strcmp(name, (*vm)->name);
}

/**
 * conf_vm_find - look for a VM's section
 * @conf:	a configuration
 * @name:	of the VM
 *
 * Return: the section, or NULL.
 */
const struct conf_vm *conf_vm_find(const struct conf *conf, const char *name)
{
	const struct conf_vm *const *found;

	if (!conf->nr_vms)
		return NULL;
	found = bsearch(name, conf->sorted, conf->nr_vms, sizeof(void *),
			name_compare);
	return found ? *found : NULL;
}

/**
 * conf_policy - what is intended for a VM
 * @conf:	a configuration
 * @vm:		its name; need not be configured
 *
 * Return: the policy, which may say nothing.
 */
const struct policy *conf_policy(const struct conf *conf, const char *vm)
{
	static const struct policy none;
	const struct conf_vm *section = conf_vm_find(conf, vm);
	const struct conf_class *class;

	if (section)
		return &section->policy;
	class = class_find(conf, CONF_CLASS_DEFAULT);
	return class ? &class->policy : &none;
}
