/*
 * dns.c - a command in a world with one name server: this program.
 *
 *   dns COMMAND ARGUMENT..
 *
 * In name spaces of its own (user, mount, network) the command finds a
 * resolv.conf that names 127.0.0.1, where names below test are answered by
 * their first label: so the real resolver can be asked for every error.
 *
 *   two      A 192.0.2.1, 192.0.2.2       six      AAAA 2001:db8::1 alone
 *   both     A 192.0.2.3, AAAA ::3        nodata   known, with no address
 *   alias    CNAME two.test               servfail, refused, formerr  these
 *   silent   no reply                     all else does not exist
 *   hosts.test is 192.0.2.9 of the file /etc/hosts
 *
 * Exit status 126: no name spaces here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/mortal.h"

enum {
	LIMIT_S = 60,
	TYPE_A = 1,
	TYPE_CNAME = 5,
	TYPE_AAAA = 28,
	NOT_THERE = 126,
};

static const struct zone {
	const char *label;
	int rcode; /* -1: no reply */
	const char *a[2];
	const char *aaaa;
	const char *cname; /* a label below test */
} zone[] = {
	{"two", 0, {"192.0.2.1", "192.0.2.2"}, NULL, NULL},
	{"six", 0, {NULL}, "2001:db8::1", NULL},
	{"both", 0, {"192.0.2.3"}, "2001:db8::3", NULL},
	{"nodata", 0, {NULL}, NULL, NULL},
	{"alias", 0, {NULL}, NULL, "two"},
	{"formerr", 1, {NULL}, NULL, NULL},
	{"servfail", 2, {NULL}, NULL, NULL},
	{"refused", 5, {NULL}, NULL, NULL},
	{"silent", -1, {NULL}, NULL, NULL},
};

static const struct zone *find(const char *label, size_t len)
{
	for (size_t i = 0; i < sizeof(zone) / sizeof(zone[0]); i++)
		if (strlen(zone[i].label) == len &&
		    !strncasecmp(zone[i].label, label, len))
			return &zone[i];
	return NULL;
}

/* One record; its name is a pointer to `name`, an offset of the reply. */
static size_t put(uint8_t *at, unsigned name, unsigned type, const void *data,
                  size_t len)
{
	const uint8_t head[12] = {(uint8_t)(0xc0 | name >> 8),
	                          (uint8_t)name,
	                          0,
	                          (uint8_t)type,
	                          0,
	                          1,
	                          0,
	                          0,
	                          0,
	                          60,
	                          0,
	                          (uint8_t)len};

	memcpy(at, head, sizeof(head));
	memcpy(at + sizeof(head), data, len);
	return sizeof(head) + len;
}

static size_t put_address(uint8_t *at, unsigned name, unsigned type,
                          const char *text)
{
	uint8_t addr[16];

	inet_pton(type == TYPE_A ? AF_INET : AF_INET6, text, addr);
	return put(at, name, type, addr, type == TYPE_A ? 4 : 16);
}

/* Appends the answers of z behind a query of len bytes; counts them. */
static size_t answer(uint8_t *reply, size_t len, const struct zone *z,
                     unsigned type)
{
	unsigned name = 12;
	uint8_t n = 0;

	if (z->cname) {
		uint8_t to[64];
		size_t label = strlen(z->cname);

		to[0] = (uint8_t)label;
		memcpy(to + 1, z->cname, label);
		memcpy(to + 1 + label, "\4test", 6);
		len += put(reply + len, name, TYPE_CNAME, to, label + 7);
		name = (unsigned)(len - label - 7);
		z = find(z->cname, label);
		n++;
	}
	for (int i = 0; i < 2 && type == TYPE_A && z->a[i]; i++, n++)
		len += put_address(reply + len, name, type, z->a[i]);
	if (type == TYPE_AAAA && z->aaaa) {
		len += put_address(reply + len, name, type, z->aaaa);
		n++;
	}
	reply[7] = n;
	return len;
}

static void serve_one(int fd)
{
	uint8_t m[1024] = {0};
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(fd, m, 512, 0, (void *)&from, &from_len);
	const struct zone *z;
	size_t end = 12;

	if (n < 17)
		return;
	while (m[end] && end < 300)
		end += m[end] + 1u;
	z = end == 12 + m[12] + 1u + 5 &&
	                    !strcasecmp((char *)m + end - 4, "test")
	            ? find((char *)m + 13, m[12])
	            : NULL;
	end += 5; /* its end, type, class */
	m[2] = 0x85;
	m[3] = (uint8_t)(0x80 | (z ? z->rcode : 3));
	m[6] = m[7] = m[8] = m[9] = m[10] = m[11] = 0;
	if (z && z->rcode < 0)
		return;
	if (z && !z->rcode)
		end = answer(m, end, z, m[end - 3]);
	sendto(fd, m, end, 0, (void *)&from, from_len);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		exit(NOT_THERE);
	close(fd);
}

/* Over the real file, for this mount name space. */
static void replace(const char *path, const char *text)
{
	char own[64];

	snprintf(own, sizeof(own), "/tmp/%d", getpid());
	write_file(own, text);
	if (mount(own, path, NULL, MS_BIND, NULL))
		exit(NOT_THERE);
	unlink(own);
}

static void enter_world(void)
{
	char map[64];
	unsigned uid = getuid(), gid = getgid();
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET))
		exit(NOT_THERE);
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_file("/proc/self/gid_map", map);
	replace("/etc/resolv.conf", "nameserver 127.0.0.1\n"
	                            "options timeout:1 attempts:1\n");
	replace("/etc/hosts", "127.0.0.1 localhost\n192.0.2.9 hosts.test\n");
	replace("/etc/nsswitch.conf", "hosts: files dns\nservices: files\n");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo))
		exit(NOT_THERE);
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	                         .sin_port = htons(53),
	                         .sin_addr = {htonl(INADDR_LOOPBACK)}};
	pid_t command, own = getpid();
	int fd, status;

	if (argc < 2)
		return 2;
	enter_world();
	mortal(LIMIT_S); /* new credentials would undo it */
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (void *)&at, sizeof(at)))
		return NOT_THERE;
	command = fork();
	if (!command) {
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (!fork()) {
		if (getppid() != own) /* the command was quicker */
			return 0;
		for (;;)
			serve_one(fd);
	}
	if (waitpid(command, &status, 0) < 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
