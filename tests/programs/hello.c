/*
 * hello - the smallest TCP server: says "hello" to one client after another.
 *
 * Linked with musl by tests/programs/fetch: a program that is dynamic, and
 * still out of reach of a library made for glibc.
 *
 *     hello PORT
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	int on = 1, listener, client;

	if (argc != 2)
		return 2;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons((unsigned short)atoi(argv[1]));
	listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(listener, 16))
		return 1;
	while ((client = accept(listener, NULL, NULL)) >= 0) {
		if (write(client, "hello\n", 6) != 6)
			return 1;
		close(client);
	}
	return 1;
}
