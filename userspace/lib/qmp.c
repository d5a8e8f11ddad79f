// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * QEMU answers the commands of one client in their order, so the answer that
 * comes belongs to the oldest command. It carries that command's id, which is
 * checked: when a client leaves, QEMU may still answer its last command, to
 * whoever comes next. Such strays are dropped, a few of them.
 *
 * After an error the connection is of no use: everything that waits ends with
 * -ECANCELED when the owner calls qmp_connected() or qmp_deinit().
 */
#include "qmp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Integers up to here are exact in a double. */
#define NUMBER_MAX	(UINT64_C(1) << 53)

/* Longest text of a VMM that is shown. */
#define DESC_MAX	160

#define ID_MAX		48

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/**
 * qmp_init - begin
 * @qmp:	the caller's storage; waits for a connection
 * @ops:	what the owner wants to hear
 * @userdata:	for @ops
 */
void qmp_init(struct qmp *qmp, const struct qmp_ops *ops, void *userdata)
{
	*qmp = (struct qmp){ .ops = ops, .userdata = userdata };
}

static void command_end(struct qmp *qmp, const struct qmp_answer *answer)
{
	struct qmp_command command = qmp->commands[qmp->first];

	qmp->first = (qmp->first + 1) % QMP_PENDING_MAX;
	qmp->pending--;
	command.done(answer, command.userdata);
}

/**
 * qmp_connected - there is a new connection, the old one is gone
 * @qmp:	a client; commands that wait end with -ECANCELED
 * @session:	a number that no other client of this VMM is likely to have
 */
void qmp_connected(struct qmp *qmp, uint64_t session)
{
	static const struct qmp_answer canceled = { .rc = -ECANCELED };

	/* Those who hear of it cannot send new ones. */
	qmp->state = QMP_BROKEN;
	while (qmp->pending)
		command_end(qmp, &canceled);
	varlink_buf_deinit(&qmp->in);
	varlink_buf_deinit(&qmp->out);
	*qmp = (struct qmp){
		.ops = qmp->ops,
		.userdata = qmp->userdata,
		.session = session,
		.next_id = 1,
	};
}

/**
 * qmp_deinit - end; not from a callback
 * @qmp:	what qmp_init() set up; commands that wait end with -ECANCELED
 */
void qmp_deinit(struct qmp *qmp)
{
	qmp_connected(qmp, 0);
}

/* A VMM's words become part of log lines: no newline, no escape sequence. */
static void text_copy(char *text, size_t size, const char *from, size_t len)
{
	size_t i;

	if (len >= size)
		len = size - 1;
	for (i = 0; i < len; i++)
		text[i] = from[i] < ' ' || from[i] > '~' ? '?' : from[i];
	text[i] = '\0';
}

static void id_write(const struct qmp *qmp, uint64_t id, char text[ID_MAX])
{
	snprintf(text, ID_MAX, "ballonet-%" PRIx64 "-%" PRIu64, qmp->session,
		 id);
}

static int command_send(struct qmp *qmp, const char *command,
			json_t *arguments, qmp_done done, void *userdata)
{
	char id[ID_MAX];
	json_t *message;
	int rc;

	id_write(qmp, qmp->next_id, id);
	message = json_pack("{s:s,s:s,s:O*}", "execute", command, "id", id,
			    "arguments", arguments);
	/* Ends in a NUL, where QMP wants a newline. */
	rc = varlink_put(&qmp->out, message);
	if (rc)
		return rc;
	qmp->out.data[qmp->out.len - 1] = '\n';
	qmp->commands[(qmp->first + qmp->pending) % QMP_PENDING_MAX] =
		(struct qmp_command){ qmp->next_id++, done, userdata };
	qmp->pending++;
	return 0;
}

/**
 * qmp_execute - send a command
 * @qmp:	a client that is ready
 * @command:	its name
 * @arguments:	an object or NULL; its reference is taken, also on failure
 * @done:	called when it ended, never from in here and not on failure
 * @userdata:	for @done
 *
 * Return: 0, -ENOTCONN if it is not ready, -EBUSY if QMP_PENDING_MAX commands
 * wait, -ENOMEM.
 */
int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments,
		qmp_done done, void *userdata)
{
	int rc;

	if (qmp->state != QMP_READY)
		rc = -ENOTCONN;
	else if (qmp->pending == QMP_PENDING_MAX)
		rc = -EBUSY;
	else
		rc = command_send(qmp, command, arguments, done, userdata);
	json_decref(arguments);
	return rc;
}

/**
 * qmp_number - a number that the other side says
 * @value:	what should be one; may be NULL
 * @ret_number:	at most 2^53, so that it is exact
 *
 * QEMU writes -1 as 18446744073709551615 for what a guest has not told.
 *
 * Return: false if it is no integer, or out of range.
 */
bool qmp_number(const json_t *value, uint64_t *ret_number)
{
	double number;

	/* All numbers are real here: see line_parse(). */
	if (!json_is_real(value))
		return false;
	number = json_real_value(value);
	if (!(number >= 0 && number <= (double)NUMBER_MAX) ||
	    number != (double)(uint64_t)number)
		return false;
	*ret_number = (uint64_t)number;
	return true;
}

static void on_negotiated(const struct qmp_answer *answer, void *userdata)
{
	struct qmp *qmp = userdata;

	if (answer->rc == -ECANCELED)
		return;
	if (answer->rc) {
		qmp->state = QMP_BROKEN;
		return;
	}
	qmp->state = QMP_READY;
	qmp->ops->ready(qmp->userdata);
}

static int greeting_take(struct qmp *qmp, json_t *message,
			 struct fault *ret_fault)
{
	static const char *const parts[] = { "major", "minor", "micro" };
	json_t *greeting = json_object_get(message, "QMP");
	uint64_t number;
	json_t *version;
	size_t i;

	if (!json_is_object(greeting))
		return fault_set(ret_fault, -EBADMSG, "no QMP greeting");
	version = json_object_get(json_object_get(greeting, "version"), "qemu");
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		if (qmp_number(json_object_get(version, parts[i]), &number) &&
		    number <= INT32_MAX)
			qmp->version[i] = (unsigned int)number;
	qmp->state = QMP_NEGOTIATING;
	return command_send(qmp, "qmp_capabilities", NULL, on_negotiated, qmp);
}

static int error_code(const char *class)
{
	static const struct {
		const char *class;
		int code;
	} codes[] = {
		{ "DeviceNotActive", -ENODEV },
		{ "DeviceNotFound", -ENODEV },
		{ "CommandNotFound", -EOPNOTSUPP },
		{ "KVMMissingCap", -EOPNOTSUPP },
	};
	size_t i;

	for (i = 0; class && i < ARRAY_SIZE(codes); i++)
		if (!strcmp(class, codes[i].class))
			return codes[i].code;
	return -EREMOTEIO;
}

/* Is this the answer to the oldest command? */
static bool is_ours(const struct qmp *qmp, const json_t *message)
{
	const char *id = json_string_value(json_object_get(message, "id"));
	char ours[ID_MAX];

	if (!qmp->pending || !id)
		return false;
	id_write(qmp, qmp->commands[qmp->first].id, ours);
	return !strcmp(id, ours);
}

static int answer_take(struct qmp *qmp, json_t *message,
		       struct fault *ret_fault)
{
	json_t *error = json_object_get(message, "error");
	struct qmp_answer answer = { 0 };
	char desc[DESC_MAX];
	const char *text;

	if (!is_ours(qmp, message)) {
		if (qmp->strays++ < QMP_STRAYS_MAX)
			return 0;
		return fault_set(ret_fault, -EBADMSG,
				 "more than %d answers that nobody asked for",
				 QMP_STRAYS_MAX);
	}
	if (error) {
		text = json_string_value(json_object_get(error, "desc"));
		if (!text)
			text = "no reason given";
		text_copy(desc, sizeof(desc), text, strlen(text));
		answer.rc = error_code(json_string_value(
			json_object_get(error, "class")));
		answer.desc = desc;
	} else {
		answer.value = json_object_get(message, "return");
	}
	command_end(qmp, &answer);
	if (qmp->state == QMP_BROKEN)
		return fault_set(ret_fault, -EPROTO,
				 "QMP capabilities refused: %s", desc);
	return 0;
}

static int event_take(struct qmp *qmp, uint64_t now_ms, json_t *message,
		      struct fault *ret_fault)
{
	const char *name = json_string_value(json_object_get(message, "event"));
	json_t *data = json_object_get(message, "data");
	json_t *empty = NULL;

	if (!name)
		return fault_set(ret_fault, -EBADMSG, "a QMP event has no name");
	if (!bucket_take(&qmp->events, now_ms, QMP_EVENTS_PER_S,
			 QMP_EVENTS_BURST))
		return fault_set(ret_fault, -ENOBUFS,
				 "more than %d QMP events in a second",
				 QMP_EVENTS_PER_S);
	if (qmp->state != QMP_READY)
		return 0;
	if (!json_is_object(data)) {
		empty = json_object();
		if (!empty)
			return -ENOMEM;
		data = empty;
	}
	qmp->ops->event(name, data, qmp->userdata);
	json_decref(empty);
	return 0;
}

static int message_take(struct qmp *qmp, uint64_t now_ms, json_t *message,
			struct fault *ret_fault)
{
	if (qmp->state == QMP_GREETING)
		return greeting_take(qmp, message, ret_fault);
	if (json_object_get(message, "event"))
		return event_take(qmp, now_ms, message, ret_fault);
	if (json_object_get(message, "return") ||
	    json_object_get(message, "error"))
		return answer_take(qmp, message, ret_fault);
	return fault_set(ret_fault, -EBADMSG,
			 "a QMP message is neither answer nor event");
}

/* Before the parser, which recurses, sees it. */
static bool too_deep(const char *line, size_t len)
{
	unsigned int depth = 0;
	bool string = false;
	size_t i;

	for (i = 0; i < len; i++) {
		if (string && line[i] == '\\')
			i++;
		else if (line[i] == '"')
			string = !string;
		else if (string)
			continue;
		else if ((line[i] == '{' || line[i] == '[') &&
			 ++depth > QMP_DEPTH_MAX)
			return true;
		else if ((line[i] == '}' || line[i] == ']') && depth)
			depth--;
	}
	return false;
}

/*
 * Integers become real: beyond 63 bits, which QEMU does send, they would be an
 * error otherwise.
 */
static int line_parse(const char *line, size_t len, json_t **ret_message,
		      struct fault *ret_fault)
{
	char start[32];
	json_t *message;

	if (too_deep(line, len))
		return fault_set(ret_fault, -EBADMSG,
				 "QMP message nested deeper than %d",
				 QMP_DEPTH_MAX);
	message = json_loadb(line, len, JSON_REJECT_DUPLICATES |
			     JSON_DECODE_INT_AS_REAL, NULL);
	if (!json_is_object(message)) {
		json_decref(message);
		text_copy(start, sizeof(start), line, len);
		return fault_set(ret_fault, -EBADMSG, "not QMP: '%s'", start);
	}
	*ret_message = message;
	return 0;
}

/* 1 and an object, 0 if no line is complete; empty lines do not count. */
static int line_next(struct varlink_buf *in, json_t **ret_message,
		     struct fault *ret_fault)
{
	size_t len;
	char *end;
	int rc;

	do {
		if (in->scanned == in->len)
			return 0;
		end = memchr(in->data + in->scanned, '\n',
			     in->len - in->scanned);
		len = end ? (size_t)(end - in->data) : in->len;
		if (len > QMP_LINE_MAX)
			return fault_set(ret_fault, -EMSGSIZE,
					 "QMP message longer than %d bytes",
					 QMP_LINE_MAX);
		if (!end) {
			in->scanned = in->len;
			return 0;
		}
		rc = len > 1 || (len && *in->data != '\r');
		if (rc && line_parse(in->data, len, ret_message, ret_fault))
			return -EBADMSG;
		in->scanned = 0;
		varlink_buf_consume(in, len + 1);
	} while (!rc);
	return rc;
}

/**
 * qmp_feed - bytes came
 * @qmp:	a client; its callbacks are called from in here, and may call
 *		qmp_execute() and qmp_connected()
 * @now_ms:	a clock that only goes forward
 * @data:	the bytes
 * @len:	how many
 * @ret_fault:	what was wrong with them
 *
 * Return: 0, or a negative errno after which the connection has to be closed:
 * -EBADMSG, -EMSGSIZE, -ENOBUFS, -EPROTO, -ENOMEM.
 */
int qmp_feed(struct qmp *qmp, uint64_t now_ms, const void *data, size_t len,
	     struct fault *ret_fault)
{
	json_t *message = NULL;
	int rc;

	if (qmp->state == QMP_BROKEN)
		return fault_set(ret_fault, -EPROTO, "QMP connection is broken");
	rc = varlink_buf_append(&qmp->in, data, len);
	if (rc)
		return fault_set(ret_fault, rc, "no memory");
	while ((rc = line_next(&qmp->in, &message, ret_fault)) > 0) {
		rc = message_take(qmp, now_ms, message, ret_fault);
		json_decref(message);
		if (rc)
			break;
	}
	if (rc)
		qmp->state = QMP_BROKEN;
	return rc;
}
