/*
 * A disk that is really full: PostgreSQL keeps its tables in a tablespace on a small file system of
 * the test's own, which is then filled to the last byte, so that error 53100 is the kernel's word.
 * The file system is a tmpfs in a mount namespace of this program and the servers it starts, so
 * that nothing of it is seen or left outside; without the right to mount the test is skipped.
 */
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/live/weather.h"

#define SKIPPED 77

static char disk[] = "/tmp/sm-disk-XXXXXX";

/* False where that is not allowed. */
static bool make_disk(void)
{
    const struct passwd *owner = getpwnam("postgres");
    return geteuid() == 0 && owner != NULL && mkdtemp(disk) != NULL && unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("small", disk, "tmpfs", 0, "size=64m,mode=0700") == 0 &&
           chown(disk, owner->pw_uid, owner->pw_gid) == 0;
}

static const char *ballast(void)
{
    static char path[sizeof disk + 10];
    snprintf(path, sizeof path, "%s/ballast", disk);
    return path;
}

static void fill(void)
{
    static const char zeros[4096];
    int fd = open(ballast(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    while (write(fd, zeros, sizeof zeros) > 0)
        ;
    close(fd);
}

static void make_room(void)
{
    ck_assert_int_eq(unlink(ballast()), 0);
}

static void move_tables(void)
{
    sql("CREATE TABLESPACE small LOCATION '%s'", disk);
    sql("ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE small");
    sql("ALTER INDEX ALL IN TABLESPACE pg_default SET TABLESPACE small");
}

START_TEST(a_disk_that_is_full_is_waited_out)
{
    char command[300];
    move_tables();
    weather(&(struct outage){.name = "PostgreSQL's disk full",
                             .begin = fill,
                             .end = make_room,
                             .ms = 4000,
                             .says = "PostgreSQL: the server has no room left"});
    snprintf(command, sizeof command, "grep -q 'No space left on device' %s/pg.log",
             rig_servers.dir);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    int rc = SKIPPED;
    if (make_disk())
        rc = RIG_SUITE("live_disk_full", {a_disk_that_is_full_is_waited_out, 0});
    else
        printf("skipped: needs root, the user postgres, and the right to mount a file system\n");
    umount2(disk, MNT_DETACH);
    rmdir(disk);
    return rc;
}
