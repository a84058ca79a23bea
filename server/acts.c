/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/acts.h"

#include <pthread.h>

static pthread_rwlock_t offer_lock = PTHREAD_RWLOCK_INITIALIZER;
static const struct acts *offer; /* offer_lock */

void acts_offer(const struct acts *acts)
{
    (void)pthread_rwlock_wrlock(&offer_lock);
    offer = acts;
    (void)pthread_rwlock_unlock(&offer_lock);
}

/* The offer, held until let_go(); NULL: there is none, and nothing is held. */
static const struct acts *hold(struct fw_err *err)
{
    (void)pthread_rwlock_rdlock(&offer_lock);
    if (offer != NULL)
        return offer;
    (void)pthread_rwlock_unlock(&offer_lock);
    (void)fw_err_set(err, FW_EREADONLY, "no server runs on this folder");
    return NULL;
}

static void let_go(void)
{
    (void)pthread_rwlock_unlock(&offer_lock);
}

fw_rc acts_reload(struct fw_str actor, struct fw_str reason, struct fw_err *err)
{
    const struct acts *acts = hold(err);
    fw_rc rc;

    if (acts == NULL)
        return FW_EREADONLY;
    rc = acts->reload(acts->self, actor, reason, err);
    let_go();
    return rc;
}

fw_rc acts_schedules(struct fw_arena *arena, struct act_schedule **out,
                     size_t *count, struct fw_err *err)
{
    const struct acts *acts = hold(err);
    fw_rc rc;

    if (acts == NULL)
        return FW_EREADONLY;
    rc = acts->schedules(acts->self, arena, out, count, err);
    let_go();
    return rc;
}

fw_rc acts_run_schedule(const char *name, struct fw_str actor,
                        struct fw_str reason, struct fw_err *err)
{
    const struct acts *acts = hold(err);
    fw_rc rc;

    if (acts == NULL)
        return FW_EREADONLY;
    rc = acts->run_schedule(acts->self, name, actor, reason, err);
    let_go();
    return rc;
}
