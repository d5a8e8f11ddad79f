// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ballonet-psi: has the kernel's pressure stall information alarm the guest's
 * balloon driver. A module can neither read PSI nor arm a trigger; this program
 * arms one for each balloon, hands it over and ends. It needs no memory in the
 * guest's trouble, and no processor.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define PRESSURE_PATH	"/proc/pressure/memory"
#define DRIVER_PATH	"/sys/bus/virtio/drivers/ballonet"

/*
 * The kernel looks ten times in a window: with this one, every 50 ms, so that
 * the host hears of a stall within 100 ms. It is the smallest that Linux 6.1
 * takes, too. A twentieth of it is what a well man does not notice.
 */
#define WINDOW_US	500000
#define THRESHOLD_US	25000
/* The kernel takes no larger window. */
#define WINDOW_MAX_US	10000000

/* Exit codes, beside 0, EXIT_FAILURE and EX_USAGE. */
#define EXIT_NO_DEVICE	3
#define EXIT_NO_PSI	4

/**
 * struct options - the command line
 * @devices:	names, as virtio0; ends with NULL; none for all
 * @kind:	of stalls: "some" or "full"
 * @threshold_us: stalled in a window
 * @window_us:	length of a window
 * @off:	let go of triggers instead
 */
struct options {
	char **devices;
	const char *kind;
	unsigned long threshold_us;
	unsigned long window_us;
	bool off;
};

static const struct {
	int code;
	const char *meaning;
} exit_codes[] = {
	{ EXIT_SUCCESS, "done for every device" },
	{ EXIT_FAILURE, "failed for a device, for the reason that was printed" },
	{ EXIT_NO_DEVICE, "the driver has no such device, or none at all" },
	{ EXIT_NO_PSI, "the kernel has no pressure stall information (psi=0)" },
	{ EX_USAGE, "wrong arguments" },
};

static const struct argp_option options_table[] = {
	{ "threshold", 't', "USEC", 0,
	  "Alarm when processes waited this long for memory (default: 25000)",
	  0 },
	{ "window", 'w', "USEC", 0,
	  "within this time (default: 500000)", 0 },
	{ "full", 'f', NULL, 0,
	  "Only count while all processes waited, not some", 0 },
	{ "off", 'o', NULL, 0, "Let go of the triggers instead", 0 },
	{ 0 },
};

__attribute__((format(printf, 1, 2)))
static void error(const char *format, ...)
{
	va_list args;

	fputs("ballonet-psi: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static unsigned long usec_parse(struct argp_state *state, const char *text)
{
	unsigned long usec;
	char *end;

	errno = 0;
	usec = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || !usec ||
	    usec > WINDOW_MAX_US)
		argp_error(state, "'%s' is not 1 to %d microseconds", text,
			   WINDOW_MAX_US);
	return usec;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 't':
		options->threshold_us = usec_parse(state, text);
		return 0;
	case 'w':
		options->window_us = usec_parse(state, text);
		return 0;
	case 'f':
		options->kind = "full";
		return 0;
	case 'o':
		options->off = true;
		return 0;
	case ARGP_KEY_ARGS:
		options->devices = &state->argv[state->next];
		return 0;
	case ARGP_KEY_END:
		if (options->threshold_us > options->window_us)
			argp_error(state,
				   "a threshold of %lu us is longer than the window, %lu us",
				   options->threshold_us, options->window_us);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The table above is the help's text. */
static char *help(int key, const char *text, void *input)
{
	char *out = NULL;
	size_t len, i;
	FILE *f;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	f = open_memstream(&out, &len);
	if (!f)
		return NULL;
	fputs("Exit codes:\n", f);
	for (i = 0; i < ARRAY_SIZE(exit_codes); i++)
		fprintf(f, "  %-2d  %s\n", exit_codes[i].code,
			exit_codes[i].meaning);
	return fclose(f) ? NULL : out;
}

static void print_version(FILE *stream, struct argp_state *state)
{
	(void)state;
	fputs("ballonet-psi " BALLONET_VERSION "\n", stream);
}

/* One write, whole. Returns 0 or a negative errno. */
static int write_text(int fd, const char *text)
{
	size_t len = strlen(text);
	ssize_t n = write(fd, text, len);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* Returns a descriptor, to be closed, or minus an exit code. */
static int trigger_arm(const struct options *options)
{
	char trigger[64];
	int fd, rc;

	fd = open(PRESSURE_PATH, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		rc = errno;
		error(PRESSURE_PATH ": %s", strerror(rc));
		return rc == ENOENT ? -EXIT_NO_PSI : -EXIT_FAILURE;
	}
	/* The kernel overwrites the last byte. */
	snprintf(trigger, sizeof(trigger), "%s %lu %lu\n", options->kind,
		 options->threshold_us, options->window_us);
	rc = write_text(fd, trigger);
	if (!rc)
		return fd;
	error(PRESSURE_PATH ": trigger '%.*s': %s", (int)strlen(trigger) - 1,
	      trigger, strerror(-rc));
	close(fd);
	return rc == -EOPNOTSUPP ? -EXIT_NO_PSI : -EXIT_FAILURE;
}

/* Returns an exit code. @trigger is -1 to let go of one. */
static int trigger_give(const char *device, int trigger)
{
	char path[4096], number[16];
	int fd, rc;

	snprintf(path, sizeof(path), "%s/balloon/psi", device);
	snprintf(number, sizeof(number), "%d\n", trigger);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	rc = fd < 0 ? -errno : write_text(fd, number);
	if (fd >= 0)
		close(fd);
	if (!rc)
		return EXIT_SUCCESS;
	error("%s: %s", path, strerror(-rc));
	return EXIT_FAILURE;
}

static int device_serve(const struct options *options, const char *device)
{
	int trigger = -1, rc;

	if (!options->off) {
		trigger = trigger_arm(options);
		if (trigger < 0)
			return -trigger;
	}
	rc = trigger_give(device, trigger);
	/* The driver holds the file. */
	if (trigger >= 0)
		close(trigger);
	return rc;
}

/* Whether @path is one of those that were asked for. */
static bool is_asked(const struct options *options, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	char **device;

	if (!options->devices)
		return true;
	for (device = options->devices; *device; device++)
		if (!strcmp(*device, name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options_table,
		.parser = parse,
		.args_doc = "[DEVICE...]",
		.doc = "Tell the host early when this guest is short of memory.\v ",
		.help_filter = help,
	};
	struct options options = {
		.kind = "some",
		.threshold_us = THRESHOLD_US,
		.window_us = WINDOW_US,
	};
	int rc, status = EXIT_SUCCESS, served = 0;
	glob_t found;
	size_t i;

	argp_err_exit_status = EX_USAGE;
	argp_program_version_hook = print_version;
	rc = argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (rc) {
		error("%s", strerror(rc));
		return EXIT_FAILURE;
	}
	rc = glob(DRIVER_PATH "/virtio*", 0, NULL, &found);
	if (rc && rc != GLOB_NOMATCH) {
		error(DRIVER_PATH ": cannot be read");
		return EXIT_FAILURE;
	}
	for (i = 0; i < found.gl_pathc; i++) {
		if (!is_asked(&options, found.gl_pathv[i]))
			continue;
		served++;
		rc = device_serve(&options, found.gl_pathv[i]);
		if (rc)
			status = rc;
	}
	globfree(&found);
	if (served)
		return status;
	error(DRIVER_PATH ": no %s", options.devices ? "such device" :
						       "device");
	return EXIT_NO_DEVICE;
}
