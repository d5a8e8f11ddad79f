/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: clients and their calls.
 */
#ifndef BALLONET_CONTROL_H
#define BALLONET_CONTROL_H

#include "listener.h"
#include "log.h"
#include "manager.h"
#include "varlink.h"
#include "watch.h"

/* A client is a tool that runs for a moment; more is somebody gone mad. */
#define CONTROL_CLIENTS_MAX 256
/* Of these, who may only look: an operator always finds a place. */
#define CONTROL_READERS_MAX 192
/* And of these, one user's. */
#define CONTROL_USER_MAX 64
/* Who has called nothing for so long gives way when places are short. */
#define CONTROL_IDLE_MS 10000

struct control_client;

/**
 * struct control - the control socket
 * @manager:	what is controlled
 * @listener:	the socket
 * @clients:	who is connected
 * @refused:	limits what is logged about who is not
 */
struct control {
	struct manager *manager;
	struct listener listener;
	struct control_client *clients;
	struct log_limit refused;
};

/**
 * struct control_ask - a call whose answer comes later
 * @client:	who called; NULL if it has disconnected since
 */
struct control_ask {
	struct control_client *client;
};

/**
 * struct control_client - who is connected
 * @next:	in the list
 * @control:	the control socket
 * @server:	its calls; the handlers' userdata is the client
 * @fd:		the connection
 * @watch:	of @fd
 * @uid:	whose it is
 * @used_at:	loop time at which it called or was answered
 * @ask:	its call that waits for an answer, or NULL
 * @follower:	whether it follows what guests tell
 */
struct control_client {
	struct control_client *next;
	struct control *control;
	struct varlink_server server;
	int fd;
	struct watch *watch;
	uid_t uid;
	uint64_t used_at;
	struct control_ask *ask;
	struct event_follower follower;
};

int control_init(struct control *control, struct manager *manager);
void control_deinit(struct control *control);
void control_ask(struct control_client *client, struct control_ask *ask);
struct varlink_server *control_answer(struct control_ask *ask);

/* api.c */
extern const struct varlink_service api_service;
struct manager *api_manager(void *userdata);
struct vm *api_vm(struct varlink_server *server, json_t *parameters,
		  void *userdata);

/* api_governor.c */
extern const varlink_handler api_governor[];

#endif
