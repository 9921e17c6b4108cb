#include "server/relay_route.h"

const char *
route_policy_name(enum route_policy p)
{
	static const char *const names[] = {
		[POLICY_NONE] = "none", [POLICY_LIST] = "list",
		[POLICY_STS] = "sts", [POLICY_DANE] = "dane",
		[POLICY_REQUIRETLS] = "requiretls"
	};

	return p <= POLICY_REQUIRETLS ? names[p] : "none";
}
