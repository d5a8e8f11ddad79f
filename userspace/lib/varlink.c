// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The Varlink wire: framing, and the client's side of a call.
 */
#include "varlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A connection that is quiet again does not keep the memory of a long list. */
#define VARLINK_BUF_KEEP	(64 * 1024)

/**
 * varlink_buf_deinit - free what a buffer holds
 * @buf:	afterwards empty and usable
 */
void varlink_buf_deinit(struct varlink_buf *buf)
{
	free(buf->data);
	*buf = (struct varlink_buf){ 0 };
}

/**
 * varlink_buf_append - add bytes at the end
 * @buf:	where
 * @data:	the bytes
 * @len:	how many
 *
 * Return: 0 or -ENOMEM.
 */
int varlink_buf_append(struct varlink_buf *buf, const void *data, size_t len)
{
	size_t need, size;
	char *grown;

	if (!len)
		return 0;
	if (__builtin_add_overflow(buf->len, len, &need))
		return -ENOMEM;
	if (need > buf->size) {
		size = buf->size ? buf->size : 512;
		while (size < need)
			if (__builtin_mul_overflow(size, 2, &size))
				return -ENOMEM;
		grown = realloc(buf->data, size);
		if (!grown)
			return -ENOMEM;
		buf->data = grown;
		buf->size = size;
	}
	memcpy(buf->data + buf->len, data, len);
	buf->len = need;
	return 0;
}

/**
 * varlink_buf_consume - drop bytes from the start
 * @buf:	where
 * @len:	how many, at most buf->len
 */
void varlink_buf_consume(struct varlink_buf *buf, size_t len)
{
	buf->len -= len;
	buf->scanned = buf->scanned > len ? buf->scanned - len : 0;
	if (buf->len)
		memmove(buf->data, buf->data + len, buf->len);
	else if (buf->size > VARLINK_BUF_KEEP)
		varlink_buf_deinit(buf);
}

/**
 * varlink_next - take the next message off the input
 * @in:		what has come so far
 * @ret_message: an object; the caller owns it
 *
 * After an error the stream cannot be used any more.
 *
 * Return: 1 and a message, 0 if none is complete, -EMSGSIZE if it is longer
 * than VARLINK_MESSAGE_MAX, -EBADMSG if it is not a JSON object (broken,
 * nested too deeply, a key twice, an integer beyond 64 bits), -ENOMEM.
 */
int varlink_next(struct varlink_buf *in, json_t **ret_message)
{
	json_error_t error;
	json_t *message;
	size_t len;
	char *end;

	if (in->scanned == in->len)
		return 0;
	end = memchr(in->data + in->scanned, 0, in->len - in->scanned);
	len = end ? (size_t)(end - in->data) : in->len;
	if (len > VARLINK_MESSAGE_MAX)
		return -EMSGSIZE;
	if (!end) {
		in->scanned = in->len;
		return 0;
	}
	message = json_loadb(in->data, len, JSON_REJECT_DUPLICATES, &error);
	if (!message)
		return json_error_code(&error) == json_error_out_of_memory ?
			-ENOMEM : -EBADMSG;
	if (!json_is_object(message)) {
		json_decref(message);
		return -EBADMSG;
	}
	in->scanned = 0;
	varlink_buf_consume(in, len + 1);
	*ret_message = message;
	return 1;
}

/**
 * varlink_put - add a message to the output
 * @out:	where
 * @message:	an object; its reference is taken, also on failure; NULL is
 *		taken for a failed allocation, so that calls can be nested
 *
 * Return: 0, -EMSGSIZE or -ENOMEM; on failure nothing was added.
 */
int varlink_put(struct varlink_buf *out, json_t *message)
{
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	size_t len;
	int rc;

	json_decref(message);
	if (!text)
		return -ENOMEM;
	len = strlen(text);
	rc = len > VARLINK_MESSAGE_MAX ? -EMSGSIZE :
		varlink_buf_append(out, text, len + 1);
	free(text);
	return rc;
}

/**
 * varlink_call - write a call
 * @out:	where
 * @method:	full name, with its interface
 * @parameters:	an object or NULL; its reference is taken, also on failure
 * @flags:	VARLINK_ONEWAY, VARLINK_MORE
 *
 * Return: 0, -EMSGSIZE or -ENOMEM.
 */
int varlink_call(struct varlink_buf *out, const char *method,
		 json_t *parameters, unsigned int flags)
{
	json_t *message = json_pack("{s:s,s:o*}", "method", method,
				    "parameters", parameters);

	if (!message)
		return -ENOMEM;
	if (flags & VARLINK_ONEWAY)
		json_object_set_new(message, "oneway", json_true());
	if (flags & VARLINK_MORE)
		json_object_set_new(message, "more", json_true());
	return varlink_put(out, message);
}

static int reply_parse(json_t *message, struct varlink_reply *ret_reply)
{
	json_t *parameters = json_object_get(message, "parameters");
	json_t *continues = json_object_get(message, "continues");
	json_t *error = json_object_get(message, "error");

	if ((error && !json_is_string(error)) ||
	    (continues && !json_is_boolean(continues)))
		return -EBADMSG;
	if (!parameters || json_is_null(parameters)) {
		parameters = json_object();
		if (json_object_set_new(message, "parameters", parameters))
			return -ENOMEM;
	}
	if (!json_is_object(parameters))
		return -EBADMSG;
	*ret_reply = (struct varlink_reply){
		.message = message,
		.parameters = parameters,
		.error = error ? json_string_value(error) : NULL,
		.continues = continues && json_is_true(continues),
	};
	return 0;
}

/**
 * varlink_reply_next - take the next answer off the input
 * @in:		what has come so far
 * @ret_reply:	the answer, to be given to varlink_reply_deinit()
 *
 * Return: 1 and an answer, 0 if none is complete, or as varlink_next().
 */
int varlink_reply_next(struct varlink_buf *in, struct varlink_reply *ret_reply)
{
	json_t *message;
	int rc;

	rc = varlink_next(in, &message);
	if (rc <= 0)
		return rc;
	rc = reply_parse(message, ret_reply);
	if (rc < 0) {
		json_decref(message);
		return rc;
	}
	return 1;
}

/**
 * varlink_reply_deinit - free an answer
 * @reply:	what varlink_reply_next() returned
 */
void varlink_reply_deinit(struct varlink_reply *reply)
{
	json_decref(reply->message);
	*reply = (struct varlink_reply){ 0 };
}
