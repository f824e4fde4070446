/*
 * The box file; see box.h for the why. Layout: a header page, then one record a slot.
 */
#include "worker/box.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOX_MAGIC 0x31786f62736d6c6cu /* changes with the layout */

struct box_slot {
    uint64_t ms, seq;
    int32_t queue;
    _Atomic int32_t state;
};

struct box_file {
    uint64_t magic;
    uint32_t slots;
    uint32_t pid;
    struct sm_box_label label;
    struct box_slot slot[];
};

struct sm_box {
    int fd;
    size_t size;
    struct box_file *file;
    char path[300];
};

/* A write lock on the whole file; false when another process holds it. */
static bool lock(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETLK, &whole) == 0;
}

static int make_dir(const char *dir, struct sm_err *err)
{
    struct stat st;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return sm_err_set(err, SM_E_CONFIG, "runtime.dir: cannot make %s: %s; name another folder",
                          dir, strerror(errno));
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return sm_err_set(err, SM_E_CONFIG, "runtime.dir: %s is not a folder of this user", dir);
    return 0;
}

static int box_make(struct sm_box *box, const char *dir, const struct sm_box_label *label,
                    uint32_t slots, struct sm_err *err)
{
    char fresh[320];
    snprintf(box->path, sizeof box->path, "%s/%s.box", dir, label->worker);
    snprintf(fresh, sizeof fresh, "%s.new", box->path);
    box->size = sizeof(struct box_file) + slots * sizeof(struct box_slot);
    box->fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (box->fd < 0 || ftruncate(box->fd, (off_t)box->size) != 0 || !lock(box->fd))
        return sm_err_set(err, SM_E_CONFIG, "runtime.dir: cannot write %s: %s", fresh,
                          strerror(errno));
    void *map = mmap(NULL, box->size, PROT_READ | PROT_WRITE, MAP_SHARED, box->fd, 0);
    if (map == MAP_FAILED)
        return sm_err_set(err, SM_E_CONFIG, "runtime.dir: cannot map %s: %s", fresh,
                          strerror(errno));
    box->file = map;
    box->file->magic = BOX_MAGIC;
    box->file->slots = slots;
    box->file->pid = (uint32_t)getpid();
    box->file->label = *label;
    if (rename(fresh, box->path) != 0)
        return sm_err_set(err, SM_E_CONFIG, "runtime.dir: cannot write %s: %s", box->path,
                          strerror(errno));
    return 0;
}

struct sm_box *sm_box_open(const char *dir, const struct sm_box_label *label, uint32_t slots,
                           struct sm_err *err)
{
    if (make_dir(dir, err) != 0)
        return NULL;
    struct sm_box *box = calloc(1, sizeof *box);
    if (box == NULL) {
        sm_err_set(err, SM_E_NO_MEMORY, "no memory for the box file");
        return NULL;
    }
    box->fd = -1;
    if (box_make(box, dir, label, slots, err) != 0) {
        sm_box_close(box, true);
        return NULL;
    }
    return box;
}

void sm_box_note(struct sm_box *box, uint32_t slot, int state, int queue, struct sm_entry_id entry)
{
    struct box_slot *at = &box->file->slot[slot];
    at->ms = entry.ms;
    at->seq = entry.seq;
    at->queue = queue;
    atomic_store_explicit(&at->state, state, memory_order_release);
}

void sm_box_close(struct sm_box *box, bool remove)
{
    if (box == NULL)
        return;
    if (remove && box->path[0] != '\0')
        unlink(box->path);
    if (box->file != NULL)
        munmap(box->file, box->size);
    if (box->fd >= 0)
        close(box->fd);
    free(box);
}

/* Reads the label of an open box; false when it is not one of ours. */
static bool read_label(int fd, struct sm_box_label *label)
{
    struct box_file head;
    if (pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head || head.magic != BOX_MAGIC)
        return false;
    *label = head.label;
    label->worker[sizeof label->worker - 1] = label->home[sizeof label->home - 1] = '\0';
    if (label->queues_n < 0 || label->queues_n > SM_BOX_QUEUES)
        return false;
    for (int i = 0; i < label->queues_n; i++)
        label->queues[i][SM_QUEUE_NAME_MAX] = '\0';
    return true;
}

static int judge(const char *path, int (*dead)(const struct sm_box_label *, void *), void *arg)
{
    struct sm_box_label label;
    int found = 0, fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    if (lock(fd) && read_label(fd, &label)) {
        found = 1;
        if (dead(&label, arg) == 0)
            unlink(path);
    }
    close(fd);
    return found;
}

int sm_box_each_dead(const char *dir, const struct sm_box *own,
                     int (*dead)(const struct sm_box_label *label, void *arg), void *arg)
{
    DIR *folder = opendir(dir);
    struct dirent *entry;
    int found = 0;
    if (folder == NULL)
        return 0;
    while ((entry = readdir(folder)) != NULL) {
        char path[600];
        size_t n = strlen(entry->d_name);
        if (n < 5 || strcmp(entry->d_name + n - 4, ".box") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (own != NULL && strcmp(path, own->path) == 0)
            continue; /* opening and closing it would drop our lock */
        found += judge(path, dead, arg);
    }
    closedir(folder);
    return found;
}
