/*
 * conf_netns.c - a network namespace of our own in which connects fail as
 * they do in a broken network: nobody answers on 10.9.0.0/24 and fd09::/64
 * (a veth pair, neighbours time out in 50 ms), 10.6.0.0/24 and fd06::/64 are
 * prohibited, there is no other route. No tool is needed.
 */
#include "conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct request {
	struct nlmsghdr head;
	char body[512];
};

static void *reserve(struct request *rq, size_t len)
{
	void *at = (char *)rq + NLMSG_ALIGN(rq->head.nlmsg_len);

	rq->head.nlmsg_len =
		(__u32)(NLMSG_ALIGN(rq->head.nlmsg_len) + NLMSG_ALIGN(len));
	return at;
}

static struct rtattr *put(struct request *rq, unsigned type, const void *data,
                          size_t len)
{
	struct rtattr *attr = reserve(rq, RTA_LENGTH(len));

	attr->rta_type = (unsigned short)type;
	attr->rta_len = (unsigned short)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(attr), data, len);
	return attr;
}

static struct request begin(unsigned type)
{
	struct request rq = {
		.head = {
			.nlmsg_len = NLMSG_HDRLEN,
			.nlmsg_type = (__u16)type,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE,
		}};

	return rq;
}

/* Sends it and waits for the answer; 0 or -errno. */
static int finish(struct request *rq)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
		char more[1024];
	} reply = {0};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t n = -1;

	if (fd >= 0 && send(fd, rq, rq->head.nlmsg_len, 0) >= 0)
		n = recv(fd, &reply, sizeof(reply), 0);
	close(fd);
	return n > 0 ? reply.err.error : -EIO;
}

static size_t parse(const char *text, int family, unsigned char ret_addr[16])
{
	inet_pton(family, text, ret_addr);
	return family == AF_INET6 ? 16 : 4;
}

static int add_veth(void)
{
	struct request rq = begin(RTM_NEWLINK);
	struct rtattr *info;

	reserve(&rq, sizeof(struct ifinfomsg));
	put(&rq, IFLA_IFNAME, "far", 4);
	info = put(&rq, IFLA_LINKINFO, NULL, 0);
	put(&rq, IFLA_INFO_KIND, "veth", 4);
	info->rta_len = (unsigned short)((char *)&rq + rq.head.nlmsg_len -
	                                 (char *)info);
	return finish(&rq);
}

static int add_address(int family, const char *text, unsigned prefix)
{
	struct request rq = begin(RTM_NEWADDR);
	struct ifaddrmsg *msg = reserve(&rq, sizeof(*msg));
	unsigned char addr[16];
	size_t len = parse(text, family, addr);

	msg->ifa_family = (__u8)family;
	msg->ifa_prefixlen = (__u8)prefix;
	msg->ifa_flags = IFA_F_NODAD;
	msg->ifa_index = if_nametoindex("far");
	put(&rq, IFA_LOCAL, addr, len);
	put(&rq, IFA_ADDRESS, addr, len);
	return finish(&rq);
}

static int add_prohibit(int family, const char *text, unsigned prefix)
{
	struct request rq = begin(RTM_NEWROUTE);
	struct rtmsg *msg = reserve(&rq, sizeof(*msg));
	unsigned char addr[16];
	size_t len = parse(text, family, addr);

	msg->rtm_family = (unsigned char)family;
	msg->rtm_dst_len = (unsigned char)prefix;
	msg->rtm_table = RT_TABLE_MAIN;
	msg->rtm_protocol = RTPROT_STATIC;
	msg->rtm_scope = RT_SCOPE_UNIVERSE;
	msg->rtm_type = RTN_PROHIBIT;
	put(&rq, RTA_DST, addr, len);
	return finish(&rq);
}

static int bring_up(const char *name)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ret = ioctl(fd, SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP;
	if (!ret)
		ret = ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	return ret;
}

static void set(const char *version, const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/neigh/far/%s", version,
	         name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		conf_skip("neighbour time-outs cannot be set");
	close(fd);
}

/* The far end of the pair has a name that the kernel chose. */
static void bring_all_up(void)
{
	struct if_nameindex *list = if_nameindex();

	for (struct if_nameindex *i = list; i && i->if_index; i++)
		bring_up(i->if_name);
	if_freenameindex(list);
}

void conf_netns_enter(void)
{
	if (unshare(CLONE_NEWNET))
		conf_skip("no network namespace of our own");
	if (add_veth())
		conf_skip("no veth pair");
	bring_all_up();
	if (add_address(AF_INET, "10.9.0.1", 24) ||
	    add_address(AF_INET6, "fd09::1", 64) ||
	    add_prohibit(AF_INET, "10.6.0.0", 24) ||
	    add_prohibit(AF_INET6, "fd06::", 64))
		conf_skip("addresses and routes cannot be set");
	set("ipv4", "mcast_solicit", "1");
	set("ipv4", "retrans_time_ms", "50");
	set("ipv6", "mcast_solicit", "1");
	set("ipv6", "retrans_time_ms", "50");
}
