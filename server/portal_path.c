#include "server/portal_path.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *url;
	enum path_kind kind;
} fixed[] = {
	{ "/", PATH_HOME },
	{ "/style.css", PATH_STYLE },
	{ "/robots.txt", PATH_ROBOTS },
};

/* ID_TEXT symbols at *p, then `end`; *p moves behind it. */
static bool
take_id(const char **p, char end, struct id *id_r)
{
	char text[ID_TEXT + 1];

	if (strnlen(*p, ID_TEXT + 1) < ID_TEXT)
		return false;
	memcpy(text, *p, ID_TEXT);
	text[ID_TEXT] = '\0';
	if ((*p)[ID_TEXT] != end || id_parse(text, id_r) != LL_OK)
		return false;
	*p += ID_TEXT + (end != '\0');
	return true;
}

static unsigned
file_number(const char *p)
{
	unsigned n = 0;

	if (*p < '1' || *p > '9')
		return 0;
	for (; *p >= '0' && *p <= '9' && n <= 100; p++)
		n = n * 10 + (unsigned)(*p - '0');
	return *p == '\0' && n <= 100 ? n : 0;
}

static enum path_kind
parse_open(const char *p, struct portal_path *path)
{
	if (take_id(&p, '\0', &path->delivery))
		return PATH_MESSAGE;
	if (!take_id(&p, '/', &path->delivery))
		return PATH_NONE;
	if (strcmp(p, "reply") == 0)
		return PATH_REPLY;
	if (strcmp(p, "close") == 0)
		return PATH_CLOSE;
	if (strcmp(p, "key") == 0)
		return PATH_KEY;
	if (strncmp(p, "f/", 2) != 0)
		return PATH_NONE;
	path->file = file_number(p + 2);
	return path->file != 0 ? PATH_FILE : PATH_NONE;
}

void
path_parse(const char *url, struct portal_path *p_r)
{
	const char *p = url + 3;
	size_t i;

	memset(p_r, 0, sizeof(*p_r));
	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (strcmp(url, fixed[i].url) == 0)
			p_r->kind = fixed[i].kind;
	if (strncmp(url, "/o/", 3) == 0)
		p_r->kind = parse_open(p, p_r);
	if (strncmp(url, "/m/", 3) == 0 && take_id(&p, '/', &p_r->locator) &&
	    take_id(&p, '\0', &p_r->secret))
		p_r->kind = PATH_LINK;
}

bool
path_cookie(const char *value, uint8_t cookie_r[COOKIE_BYTES])
{
	return value != NULL && strnlen(value, COOKIE_TEXT + 1) ==
	    COOKIE_TEXT && crockford_decode(value, cookie_r, COOKIE_BYTES) ==
	    LL_OK;
}

static void
map_v4(const struct in_addr *v4, uint8_t out[16])
{
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, v4, 4);
}

/* An address as text into 16 bytes; true for IPv4 in *v4_r. */
static bool
parse_address(const char *text, uint8_t out[16], bool *v4_r)
{
	struct in_addr v4;

	*v4_r = inet_pton(AF_INET, text, &v4) == 1;
	if (!*v4_r)
		return inet_pton(AF_INET6, text, out) == 1;
	map_v4(&v4, out);
	return true;
}

static bool
parse_net(char *text, struct proxy_net *n_r)
{
	char *slash = strchr(text, '/'), *p;
	unsigned bits = 0;
	bool v4;

	if (slash != NULL)
		*slash = '\0';
	if (!parse_address(text, n_r->address, &v4))
		return false;
	n_r->bits = 128;
	if (slash == NULL)
		return true;
	p = slash + 1;
	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9' && bits <= 128; p++)
		bits = bits * 10 + (unsigned)(*p - '0');
	if (*p != '\0' || bits > (v4 ? 32u : 128u))
		return false;
	n_r->bits = bits + (v4 ? 96 : 0);
	return true;
}

bool
path_proxies(const char *text, struct proxy_list *l_r)
{
	char one[64];
	size_t n;

	memset(l_r, 0, sizeof(*l_r));
	for (;;) {
		text += strspn(text, " ,\t");
		if (*text == '\0')
			return true;
		n = strcspn(text, " ,\t");
		if (n >= sizeof(one) || l_r->count == PROXIES_MAX)
			return false;
		memcpy(one, text, n);
		one[n] = '\0';
		if (!parse_net(one, &l_r->net[l_r->count]))
			return false;
		l_r->count++;
		text += n;
	}
}

static bool
in_net(const uint8_t address[16], const struct proxy_net *n)
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);

	if (memcmp(address, n->address, whole) != 0)
		return false;
	return rest == 0 ||
	    (address[whole] & mask) == (n->address[whole] & mask);
}

static bool
is_trusted(const uint8_t address[16], const struct proxy_list *l)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		if (in_net(address, &l->net[i]))
			return true;
	return false;
}

/* The last hop that X-Forwarded-For names: what our own proxy wrote. */
static bool
last_hop(const char *forwarded, uint8_t out[16])
{
	const char *comma = strrchr(forwarded, ',');
	const char *p = comma != NULL ? comma + 1 : forwarded;
	char text[64];
	size_t n;
	bool v4;

	p += strspn(p, " \t[");
	n = strcspn(p, " \t]");
	if (n == 0 || n >= sizeof(text))
		return false;
	memcpy(text, p, n);
	text[n] = '\0';
	return parse_address(text, out, &v4);
}

static bool
peer_address(const struct sockaddr *peer, uint8_t out[16])
{
	const struct sockaddr_in *v4 = (const void *)peer;
	const struct sockaddr_in6 *v6 = (const void *)peer;

	if (peer != NULL && peer->sa_family == AF_INET) {
		map_v4(&v4->sin_addr, out);
		return true;
	}
	if (peer != NULL && peer->sa_family == AF_INET6) {
		memcpy(out, &v6->sin6_addr, 16);
		return true;
	}
	return false;
}

void
path_origin(const struct sockaddr *peer, const char *forwarded,
    const struct proxy_list *trusted, char origin_r[ORIGIN_MAX])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint8_t address[16], hop[16];
	char text[INET6_ADDRSTRLEN];

	snprintf(origin_r, ORIGIN_MAX, "unknown");
	if (!peer_address(peer, address))
		return;
	if (forwarded != NULL && is_trusted(address, trusted) &&
	    last_hop(forwarded, hop))
		memcpy(address, hop, sizeof(address));
	if (memcmp(address, mapped, sizeof(mapped)) == 0) {
		inet_ntop(AF_INET, address + 12, text, sizeof(text));
		snprintf(origin_r, ORIGIN_MAX, "%s", text);
		return;
	}
	memset(address + 8, 0, 8);
	inet_ntop(AF_INET6, address, text, sizeof(text));
	snprintf(origin_r, ORIGIN_MAX, "%s/64", text);
}
