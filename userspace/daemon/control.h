/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: clients and their calls.
 */
#ifndef BALLONET_CONTROL_H
#define BALLONET_CONTROL_H

#include "manager.h"
#include "varlink.h"
#include "watch.h"

/* A client is a tool that runs for a moment; more is somebody gone mad. */
#define CONTROL_CLIENTS_MAX 256

struct control_client;

/**
 * struct control - the control socket
 * @manager:	what is controlled
 * @listener:	the socket
 * @clients:	who is connected
 * @nr_clients:	how many
 */
struct control {
	struct manager *manager;
	struct listener listener;
	struct control_client *clients;
	unsigned int nr_clients;
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
 * @ask:	its call that waits for an answer, or NULL
 */
struct control_client {
	struct control_client *next;
	struct control *control;
	struct varlink_server server;
	int fd;
	struct watch *watch;
	struct control_ask *ask;
};

int control_init(struct control *control, struct manager *manager);
void control_deinit(struct control *control);
void control_ask(struct control_client *client, struct control_ask *ask);
struct varlink_server *control_answer(struct control_ask *ask);

/* api.c */
extern const struct varlink_service api_service;

#endif
