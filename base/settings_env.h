/*
 * The name of a setting's own environment variable; for settings*.c alone. Thread: any.
 */
#ifndef SM_BASE_SETTINGS_ENV_H
#define SM_BASE_SETTINGS_ENV_H

#include "base/settings.h"

#define SM_SETTING_ENV 128 /* room for a variable's or flag's name */

/* "worker.stamps" -> "STAMPMILL_WORKER_STAMPS" */
void sm_setting_env(const struct sm_setting *row, char name[SM_SETTING_ENV]);

#endif
