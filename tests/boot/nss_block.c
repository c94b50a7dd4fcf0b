// SPDX-License-Identifier: GPL-2.0-only
/* A directory service that is out of reach: who asks for one name waits for good. */
#include <nss.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

enum nss_status _nss_block_getpwnam_r(const char *name, struct passwd *result, char *buffer,
				      size_t size, int *errnop);

enum nss_status _nss_block_getpwnam_r(const char *name, struct passwd *result, char *buffer,
				      size_t size, int *errnop)
{
	while (!strcmp(name, "lateuser"))
		pause();
	return NSS_STATUS_NOTFOUND;
}
