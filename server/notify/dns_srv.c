/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/notify/dns_srv.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

#define MAX_ANSWER 16384

fw_rc dns_srv_each(const char *name,
                   void (*each)(void *self, const char *target), void *self,
                   struct fw_err *err)
{
    unsigned char answer[MAX_ANSWER];
    int n = res_query(name, ns_c_in, ns_t_srv, answer, sizeof(answer));
    ns_msg message;

    if (n < 0)
        return fw_err_set(err,
                          h_errno == HOST_NOT_FOUND ? FW_ENOTFOUND : FW_EIO,
                          "%s", hstrerror(h_errno));
    if (n > MAX_ANSWER || ns_initparse(answer, n, &message) != 0)
        return fw_err_set(err, FW_EIO, "the answer does not parse");
    for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
        char host[NS_MAXDNAME], target[NS_MAXDNAME + 8];
        const unsigned char *data;
        size_t length;
        ns_rr record;

        if (ns_parserr(&message, ns_s_an, i, &record) != 0)
            continue;
        data = ns_rr_rdata(record);
        if (ns_rr_type(record) != ns_t_srv || ns_rr_rdlen(record) < 7 ||
            dn_expand(answer, answer + n, data + 6, host, sizeof(host)) < 0)
            continue;
        length = strlen(host);
        while (length > 0 && host[length - 1] == '.')
            host[--length] = '\0';
        (void)snprintf(target, sizeof(target), "%s:%u", host,
                       (unsigned)data[4] << 8 | data[5]);
        each(self, target);
    }
    return FW_OK;
}
