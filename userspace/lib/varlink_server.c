// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The server's side of the Varlink wire: from calls to handlers by the tables
 * of struct varlink_service.
 *
 * Theory of operation
 *
 * A call has no number, so its answer is the next one on the connection. A
 * handler may answer later (the manager asks a back-end first); therefore a
 * connection runs one call at a time and the rest of its input waits. A
 * client that sends without reading is held up in the same way: while more
 * than VARLINK_MESSAGE_MAX bytes of answers wait, nothing is dispatched.
 *
 * A call that says "more" may get many answers; it waits for ever then, and
 * ends with the connection.
 *
 * What is no Varlink at all ends the connection (varlink_server_feed() fails);
 * what is a call that cannot be served is answered with an error.
 */
#include "varlink.h"

#include <errno.h>
#include <string.h>

#define SERVICE "org.varlink.service"

static const char service_description[] =
"# What every Varlink service can do.\n"
"interface " SERVICE "\n"
"\n"
"# Who is this, and which interfaces does it have?\n"
"method GetInfo() -> (\n"
"  vendor: string,\n"
"  product: string,\n"
"  version: string,\n"
"  url: string,\n"
"  interfaces: []string\n"
")\n"
"\n"
"# The definition of an interface.\n"
"method GetInterfaceDescription(interface: string) -> (description: string)\n"
"\n"
"error InterfaceNotFound (interface: string)\n"
"error MethodNotFound (method: string)\n"
"error MethodNotImplemented (method: string)\n"
"error InvalidParameter (parameter: string)\n"
"error PermissionDenied ()\n"
"error ExpectedMore ()\n";

static void get_info(struct varlink_server *server, json_t *parameters,
		     void *userdata);
static void get_interface_description(struct varlink_server *server,
				      json_t *parameters, void *userdata);

static const struct varlink_param description_params[] = {
	{ "interface", JSON_STRING, false },
	{ NULL, JSON_NULL, false },
};

static const struct varlink_method service_methods[] = {
	{ "GetInfo", NULL, false },
	{ "GetInterfaceDescription", description_params, false },
};

static const struct varlink_interface service_interface = {
	.name = SERVICE,
	.description = service_description,
	.methods = service_methods,
	.nr_methods = sizeof(service_methods) / sizeof(service_methods[0]),
};

static const varlink_handler service_handlers[] = {
	get_info,
	get_interface_description,
};

static const struct varlink_binding service_binding = {
	.interface = &service_interface,
	.handlers = service_handlers,
};

/* An interface name need not be NUL-terminated: it is part of a method's. */
static const struct varlink_binding *
binding_find(const struct varlink_service *service, const char *name,
	     size_t len)
{
	const struct varlink_binding *binding;
	size_t i;

	for (i = 0; i <= service->nr_bindings; i++) {
		binding = i ? &service->bindings[i - 1] : &service_binding;
		if (strlen(binding->interface->name) == len &&
		    !memcmp(binding->interface->name, name, len))
			return binding;
	}
	return NULL;
}

static void get_info(struct varlink_server *server, json_t *parameters,
		     void *userdata)
{
	const struct varlink_service *service = server->service;
	json_t *names = json_pack("[s]", SERVICE);
	size_t i;

	(void)parameters;
	(void)userdata;
	for (i = 0; i < service->nr_bindings; i++)
		json_array_append_new(names, json_string(
			service->bindings[i].interface->name));
	varlink_server_reply(server, json_pack("{s:s,s:s,s:s,s:s,s:o}",
		"vendor", service->vendor, "product", service->product,
		"version", service->version, "url", service->url,
		"interfaces", names));
}

static void get_interface_description(struct varlink_server *server,
				      json_t *parameters, void *userdata)
{
	json_t *name = json_object_get(parameters, "interface");
	const struct varlink_binding *binding;

	(void)userdata;
	binding = binding_find(server->service, json_string_value(name),
			       json_string_length(name));
	if (!binding)
		varlink_server_error(server, SERVICE ".InterfaceNotFound",
				     json_pack("{s:O}", "interface", name));
	else
		varlink_server_reply(server, json_pack("{s:s}", "description",
			binding->interface->description));
}

static bool param_matches(const struct varlink_param *param, json_t *value)
{
	if (!value || json_is_null(value))
		return param->optional;
	if (param->type == JSON_TRUE)
		return json_is_boolean(value);
	return json_typeof(value) == param->type;
}

/* Return: the name of the first parameter that is wrong, or NULL. */
static const char *params_check(const struct varlink_param *params,
				json_t *parameters)
{
	const struct varlink_param *param;
	const char *key;
	json_t *value;

	for (param = params; param && param->name; param++)
		if (!param_matches(param,
				   json_object_get(parameters, param->name)))
			return param->name;
	json_object_foreach(parameters, key, value) {
		for (param = params; param && param->name; param++)
			if (!strcmp(param->name, key))
				break;
		if (!param || !param->name)
			return key;
	}
	return NULL;
}

static void method_run(struct varlink_server *server,
		       const struct varlink_binding *binding,
		       const char *name, json_t *parameters)
{
	const struct varlink_interface *interface = binding->interface;
	const char *method = name + strlen(interface->name) + 1;
	const char *wrong;
	size_t i;

	for (i = 0; i < interface->nr_methods; i++)
		if (!strcmp(interface->methods[i].name, method))
			break;
	if (i == interface->nr_methods) {
		varlink_server_error(server, SERVICE ".MethodNotFound",
				     json_pack("{s:s}", "method", name));
		return;
	}
	if (!binding->handlers[i]) {
		varlink_server_error(server, SERVICE ".MethodNotImplemented",
				     json_pack("{s:s}", "method", name));
		return;
	}
	if (interface->methods[i].write && !server->may_write) {
		varlink_server_error(server, SERVICE ".PermissionDenied", NULL);
		return;
	}
	wrong = params_check(interface->methods[i].params, parameters);
	if (wrong)
		varlink_server_invalid(server, wrong);
	else
		binding->handlers[i](server, parameters, server->userdata);
}

static int flag_get(json_t *message, const char *key, bool *ret_value)
{
	json_t *value = json_object_get(message, key);

	if (value && !json_is_boolean(value))
		return -EBADMSG;
	*ret_value = value && json_is_true(value);
	return 0;
}

static int call_run(struct varlink_server *server, json_t *message)
{
	json_t *parameters = json_object_get(message, "parameters");
	const char *name, *dot;
	const struct varlink_binding *binding;
	json_t *none = NULL;

	name = json_string_value(json_object_get(message, "method"));
	if (!name || flag_get(message, "oneway", &server->oneway) ||
	    flag_get(message, "more", &server->more))
		return -EBADMSG;
	/* Who wants no answer gets none, whatever else it says. */
	server->more &= !server->oneway;
	server->calling = true;
	if (!parameters || json_is_null(parameters))
		parameters = none = json_object();
	dot = strrchr(name, '.');
	binding = dot ? binding_find(server->service, name, dot - name) : NULL;
	if (!json_is_object(parameters))
		varlink_server_invalid(server, "parameters");
	else if (!binding)
		varlink_server_error(server, SERVICE ".InterfaceNotFound",
				     json_pack("{s:s%}", "interface", name,
					       dot ? (size_t)(dot - name) :
					       strlen(name)));
	else
		method_run(server, binding, name, parameters);
	json_decref(none);
	return 0;
}

/**
 * varlink_server_init - begin a client's connection
 * @server:	the caller's storage
 * @service:	what it can call; outlives @server
 * @may_write:	it may call what changes something
 * @userdata:	for the handlers
 */
void varlink_server_init(struct varlink_server *server,
			 const struct varlink_service *service,
			 bool may_write, void *userdata)
{
	*server = (struct varlink_server){
		.service = service,
		.userdata = userdata,
		.may_write = may_write,
	};
}

/**
 * varlink_server_deinit - forget a client's connection
 * @server:	what varlink_server_init() set up; a call that waits for its
 *		answer must not be answered any more
 */
void varlink_server_deinit(struct varlink_server *server)
{
	varlink_buf_deinit(&server->in);
	varlink_buf_deinit(&server->out);
	server->calling = false;
}

/**
 * varlink_server_dispatch - run the calls that have come
 * @server:	a connection
 *
 * To be called when a call was answered late or when answers were sent, so
 * that the calls behind it go on. Does nothing when called by a handler.
 *
 * Return: 0, or what makes the connection unusable, as varlink_next(). A call
 * that waits for its answer is not an error.
 */
int varlink_server_dispatch(struct varlink_server *server)
{
	json_t *message;
	int rc = 0;

	if (server->dispatching)
		return 0;
	server->dispatching = true;
	while (!server->failure && varlink_server_wants_input(server)) {
		rc = varlink_next(&server->in, &message);
		if (rc <= 0)
			break;
		rc = call_run(server, message);
		json_decref(message);
		if (rc)
			break;
	}
	server->dispatching = false;
	return server->failure ? server->failure : rc;
}

/**
 * varlink_server_feed - take bytes from the client and run its calls
 * @server:	a connection
 * @data:	the bytes
 * @len:	how many
 *
 * Return: 0, or what makes the connection unusable: as varlink_next(), or
 * -ENOBUFS if it was fed while varlink_server_wants_input() said no.
 */
int varlink_server_feed(struct varlink_server *server, const void *data,
			size_t len)
{
	int rc;

	if (server->in.len > 2 * VARLINK_MESSAGE_MAX)
		return -ENOBUFS;
	rc = varlink_buf_append(&server->in, data, len);
	return rc ? rc : varlink_server_dispatch(server);
}

/**
 * varlink_server_wants_input - shall the client's socket be read?
 * @server:	a connection
 *
 * Return: false while a call waits for its answer or the client does not take
 * the answers it got.
 */
bool varlink_server_wants_input(const struct varlink_server *server)
{
	return !server->calling && server->out.len <= VARLINK_MESSAGE_MAX;
}

static int answer(struct varlink_server *server, json_t *message)
{
	if (!server->calling || server->oneway) {
		json_decref(message);
		return 0;
	}
	server->failure = varlink_put(&server->out, message);
	return server->failure;
}

/**
 * varlink_server_reply - the call succeeded
 * @server:	a connection whose call waits
 * @parameters:	what it returns, or NULL; its reference is taken
 *
 * Return: 0, -EMSGSIZE or -ENOMEM: the client got no answer, and
 * varlink_server_dispatch() will fail.
 */
int varlink_server_reply(struct varlink_server *server, json_t *parameters)
{
	int rc;

	if (!parameters)
		parameters = json_object();
	rc = answer(server, json_pack("{s:o}", "parameters", parameters));
	server->calling = false;
	return rc;
}

/**
 * varlink_server_continue - the call goes on, and this is one of its answers
 * @server:	a connection whose call waits and welcomes more answers
 * @parameters:	what it returns; its reference is taken
 *
 * A client that does not read is for the caller to look after: nothing limits
 * what waits in varlink_server.out.
 *
 * Return: as varlink_server_reply().
 */
int varlink_server_continue(struct varlink_server *server, json_t *parameters)
{
	return answer(server, json_pack("{s:o,s:b}", "parameters", parameters,
					"continues", 1));
}

/**
 * varlink_server_error - the call failed
 * @server:	a connection whose call waits
 * @error:	full name of the error
 * @parameters:	what it says, or NULL; its reference is taken
 *
 * Return: as varlink_server_reply().
 */
int varlink_server_error(struct varlink_server *server, const char *error,
			 json_t *parameters)
{
	int rc;

	if (!parameters)
		parameters = json_object();
	rc = answer(server, json_pack("{s:s,s:o}", "error", error,
				      "parameters", parameters));
	server->calling = false;
	return rc;
}

/**
 * varlink_server_invalid - the call had a parameter that makes no sense
 * @server:	a connection whose call waits
 * @parameter:	its name
 *
 * Return: as varlink_server_reply().
 */
int varlink_server_invalid(struct varlink_server *server,
			   const char *parameter)
{
	return varlink_server_error(server, SERVICE ".InvalidParameter",
				    json_pack("{s:s}", "parameter", parameter));
}
