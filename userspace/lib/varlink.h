/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Varlink wire (varlink.org): JSON objects on a stream, each ended by one
 * NUL byte. Bytes in, bytes out: no descriptor, no loop, no clock in here.
 */
#ifndef BALLONET_VARLINK_H
#define BALLONET_VARLINK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Longest message, without its NUL. The longest that we send is the list of
 * the VMs, about 300 bytes each: this is enough for three thousand.
 */
#define VARLINK_MESSAGE_MAX	(1024 * 1024)

/**
 * struct varlink_buf - bytes that wait; all zero is empty
 * @data:	the bytes, or NULL
 * @len:	how many there are
 * @size:	how many fit without a new allocation
 * @scanned:	the first so many are known to hold no NUL (input only)
 */
struct varlink_buf {
	char *data;
	size_t len;
	size_t size;
	size_t scanned;
};

void varlink_buf_deinit(struct varlink_buf *buf);
int varlink_buf_append(struct varlink_buf *buf, const void *data, size_t len);
void varlink_buf_consume(struct varlink_buf *buf, size_t len);

/*
 * Messages
 */

int varlink_next(struct varlink_buf *in, json_t **ret_message);
int varlink_put(struct varlink_buf *out, json_t *message);

/*
 * The client's side
 */

/* No answer is wanted, not even an error. */
#define VARLINK_ONEWAY	(1u << 0)
/* More than one answer is welcome. */
#define VARLINK_MORE	(1u << 1)

/**
 * struct varlink_reply - one answer, taken apart
 * @message:	the whole answer; owns what the other fields point to
 * @parameters:	never NULL; an empty object if the answer had none
 * @error:	full name of the error, or NULL if the call succeeded
 * @continues:	another answer to the same call follows
 */
struct varlink_reply {
	json_t *message;
	json_t *parameters;
	const char *error;
	bool continues;
};

int varlink_call(struct varlink_buf *out, const char *method,
		 json_t *parameters, unsigned int flags);
int varlink_reply_next(struct varlink_buf *in, struct varlink_reply *ret_reply);
void varlink_reply_deinit(struct varlink_reply *reply);

/*
 * The server's side
 */

struct varlink_server;

/**
 * typedef varlink_handler - a method
 * @server:	where the answer goes
 * @parameters:	checked against the method's signature: required ones are
 *		there, all have their type, none is unknown. Borrowed.
 * @userdata:	varlink_server.userdata
 *
 * Answers with one of varlink_server_reply() and varlink_server_error(), now
 * or later; until then the connection's further calls wait, because Varlink's
 * answers come in the order of the calls. If varlink_server.more is set, any
 * number of varlink_server_continue() may come before, and that one never.
 */
typedef void (*varlink_handler)(struct varlink_server *server,
				json_t *parameters, void *userdata);

/**
 * struct varlink_param - a parameter of a method
 * @name:	as in the interface's description; NULL ends a list
 * @type:	JSON_STRING, JSON_INTEGER, JSON_OBJECT, JSON_ARRAY, JSON_REAL;
 *		JSON_TRUE stands for both booleans
 * @optional:	may be missing or null
 */
struct varlink_param {
	const char *name;
	json_type type;
	bool optional;
};

/**
 * struct varlink_method - a method's signature
 * @name:	without the interface
 * @params:	what it takes, or NULL if nothing
 * @write:	changes something: needs varlink_server.may_write
 */
struct varlink_method {
	const char *name;
	const struct varlink_param *params;
	bool write;
};

/**
 * struct varlink_interface - what can be called
 * @name:	"io.example"
 * @description: its text in Varlink's interface definition language
 * @methods:	the signatures
 * @nr_methods:	elements of @methods
 */
struct varlink_interface {
	const char *name;
	const char *description;
	const struct varlink_method *methods;
	size_t nr_methods;
};

/**
 * struct varlink_binding - an interface that a program has
 * @interface:	what can be called
 * @handlers:	what happens then, in the order of the interface's methods;
 *		NULL answers MethodNotImplemented
 */
struct varlink_binding {
	const struct varlink_interface *interface;
	const varlink_handler *handlers;
};

/**
 * struct varlink_service - a program that can be called
 * @vendor:	who wrote it; this and the next three are what GetInfo tells
 * @product:	its name
 * @version:	its version
 * @url:	where to read about it
 * @bindings:	what it can do, without org.varlink.service, which is added
 * @nr_bindings: elements of @bindings
 */
struct varlink_service {
	const char *vendor;
	const char *product;
	const char *version;
	const char *url;
	const struct varlink_binding *bindings;
	size_t nr_bindings;
};

/**
 * struct varlink_server - one client's connection
 * @service:	what it can call
 * @userdata:	handed to the handlers
 * @may_write:	it may call the methods that change something
 * @in:		bytes that came and have not been looked at
 * @out:	bytes to send: the caller sends and varlink_buf_consume()s
 * @calling:	a call waits for its answer
 * @oneway:	the waiting call wants no answer
 * @more:	the waiting call welcomes several answers
 * @dispatching: guards against a recursion by way of the handlers
 * @failure:	negative errno if an answer could not be written
 */
struct varlink_server {
	const struct varlink_service *service;
	void *userdata;
	bool may_write;
	struct varlink_buf in;
	struct varlink_buf out;
	bool calling;
	bool oneway;
	bool more;
	bool dispatching;
	int failure;
};

void varlink_server_init(struct varlink_server *server,
			 const struct varlink_service *service,
			 bool may_write, void *userdata);
void varlink_server_deinit(struct varlink_server *server);
int varlink_server_feed(struct varlink_server *server, const void *data,
			size_t len);
int varlink_server_dispatch(struct varlink_server *server);
bool varlink_server_wants_input(const struct varlink_server *server);
int varlink_server_reply(struct varlink_server *server, json_t *parameters);
int varlink_server_continue(struct varlink_server *server, json_t *parameters);
int varlink_server_error(struct varlink_server *server, const char *error,
			 json_t *parameters);
int varlink_server_invalid(struct varlink_server *server,
			   const char *parameter);

#endif
