/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A directory of made-up files, for what reads /proc, /sys or cgroups. Include
 * it after cmocka.h.
 */
#ifndef BALLONET_TESTS_TREE_H
#define BALLONET_TESTS_TREE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char tree_dir[] = "/tmp/test_tree.XXXXXX";
static int tree_fd = -1;

/* tree_put_bytes - write a file, and the directories above it */
static void tree_put_bytes(const char *path, const void *data, size_t len)
{
	char part[256];
	const char *slash;
	int fd;

	for (slash = path; (slash = strchr(slash, '/')); slash++) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		mkdirat(tree_fd, part, 0755);
	}
	fd = openat(tree_fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static inline void tree_put(const char *path, const char *text)
{
	tree_put_bytes(path, text, strlen(text));
}

static int tree_remove(void **state)
{
	char command[64];

	(void)state;
	close(tree_fd);
	snprintf(command, sizeof(command), "rm -rf %s", tree_dir);
	return system(command);
}

/* tree_make - for each test a new one */
static int tree_make(void **state)
{
	(void)state;
	strcpy(tree_dir + strlen(tree_dir) - 6, "XXXXXX");
	if (!mkdtemp(tree_dir))
		return -1;
	tree_fd = open(tree_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return tree_fd < 0 ? -1 : 0;
}

#endif
