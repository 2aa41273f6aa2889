/* The sockets of Zephyr under their own names. On a host STUB_POSIX takes what both have from the system: the tests
 * run the glue over it. */
#ifndef STUB_SOCKET_H
#define STUB_SOCKET_H

#include <stddef.h>
#include <stdint.h>

#include <zephyr/net/tls_credentials.h>

#ifdef STUB_POSIX
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <netinet/in.h>
#else
#include <sys/types.h>

typedef uint32_t socklen_t;
struct sockaddr;
struct timeval {
	long tv_sec;
	long tv_usec;
};

#define AF_UNSPEC 0
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define SOL_SOCKET 1
#define SO_SNDTIMEO 21
#endif

#define IPPROTO_TLS_1_2 258
#define SOL_TLS 282
#define TLS_SEC_TAG_LIST 1
#define TLS_HOSTNAME 2
#define TLS_PEER_VERIFY 5
#define TLS_PEER_VERIFY_REQUIRED 2

#define ZSOCK_POLLIN 1
#define ZSOCK_MSG_DONTWAIT 0x40

#define DNS_EAI_NONAME (-2)
#define DNS_EAI_AGAIN (-3)
#define DNS_EAI_NODATA (-5)
#define DNS_EAI_ADDRFAMILY (-9)
#define DNS_EAI_CANCELED (-101)

struct zsock_pollfd {
	int fd;
	short events;
	short revents;
};

struct zsock_addrinfo {
	struct zsock_addrinfo *ai_next;
	int ai_flags;
	int ai_family;
	int ai_socktype;
	int ai_protocol;
	socklen_t ai_addrlen;
	struct sockaddr *ai_addr;
};

int zsock_getaddrinfo(const char *host, const char *service, const struct zsock_addrinfo *hints,
		      struct zsock_addrinfo **list);
void zsock_freeaddrinfo(struct zsock_addrinfo *list);
int zsock_socket(int family, int type, int protocol);
int zsock_connect(int socket, const struct sockaddr *to, socklen_t len);
int zsock_setsockopt(int socket, int level, int name, const void *value, socklen_t len);
ssize_t zsock_send(int socket, const void *data, size_t len, int flags);
ssize_t zsock_recv(int socket, void *room, size_t len, int flags);
int zsock_poll(struct zsock_pollfd *list, int count, int timeout);
int zsock_close(int socket);

#endif
