/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/notify/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRY_LATER 75 /* EX_TEMPFAIL of sysexits.h */
#define STEP_MS 20

/* The payload as a file that only we know. */
static int make_input(struct fw_str payload)
{
    int fd = memfd_create("forewarn-notification", MFD_CLOEXEC);
    size_t done = 0;

    while (fd >= 0 && done < payload.n) {
        ssize_t n = write(fd, payload.p + done, payload.n - done);

        if (n <= 0) {
            (void)close(fd);
            return -1;
        }
        done += (size_t)n;
    }
    if (fd >= 0)
        (void)lseek(fd, 0, SEEK_SET);
    return fd;
}

static int spawn(const struct config_command *command, int input, pid_t *pid)
{
    char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    char *environment[] = {path, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    int failed;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, input, 0);
    (void)posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY,
                                           0);
    (void)posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY,
                                           0);
    (void)posix_spawnattr_init(&attr);
    (void)sigemptyset(&none); /* ours are blocked for our threads */
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setpgroup(&attr, 0);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETPGROUP);
    failed = posix_spawn(pid, command->words[0], &actions, &attr,
                         (char *const *)(uintptr_t)command->words, environment);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* False: it ran out of time, and was ended with all it started. */
static bool wait_for(pid_t pid, fw_ms timeout, int *status)
{
    const struct timespec step = {0, STEP_MS * 1000000};

    for (fw_ms waited = 0; waited < timeout; waited += STEP_MS) {
        if (waitpid(pid, status, WNOHANG) == pid)
            return true;
        (void)nanosleep(&step, NULL);
    }
    (void)kill(-pid, SIGKILL);
    (void)waitpid(pid, status, 0);
    return false;
}

enum webhook_answer command_run(const struct config_command *command,
                                struct fw_str payload, struct fw_err *err)
{
    int input = make_input(payload), failed, status = 0;
    pid_t pid = 0;
    bool ended;

    if (input < 0) {
        (void)fw_err_sys(err, errno, "%s cannot be given its input",
                         command->words[0]);
        return WEBHOOK_LATER;
    }
    failed = spawn(command, input, &pid);
    (void)close(input);
    if (failed != 0) {
        (void)fw_err_sys(err, failed, "%s cannot be run", command->words[0]);
        return WEBHOOK_LATER;
    }
    ended = wait_for(pid, command->timeout, &status);
    if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return WEBHOOK_DELIVERED;
    if (!ended || !WIFEXITED(status)) {
        (void)fw_err_set(err, FW_EIO, "%s %s", command->words[0],
                         ended ? "was ended by a signal"
                               : "ran out of its time");
        return WEBHOOK_LATER;
    }
    (void)fw_err_set(err, FW_EIO, "%s ended with code %d", command->words[0],
                     WEXITSTATUS(status));
    return WEXITSTATUS(status) == TRY_LATER ? WEBHOOK_LATER : WEBHOOK_NEVER;
}
