/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * banned.h - functions that do not compile here, forced into every file of
 * ours by the build: they overflow, are not thread-safe, or hide errors.
 */
#ifndef FW_STORAGE_BASE_BANNED_H
#define FW_STORAGE_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets tmpnam
#pragma GCC poison atoi atol atoll atof localtime gmtime asctime ctime
#pragma GCC poison strncpy strncat

#endif
