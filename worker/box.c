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

#include "base/oom.h"

#define BOX_BYTES_MOST (64 << 20)
#define BOX_MAGIC 0x33786f62736d6c6cu /* changes with the layout */

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
    char oom_file[256];
    _Atomic int64_t oom_kills;
    _Atomic int32_t signal; /* 0: none */
    _Atomic uint32_t faulted;
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
                    uint32_t slots, const char *oom_file, struct sm_err *err)
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
    atomic_store(&box->file->faulted, UINT32_MAX);
    if (oom_file != NULL)
        snprintf(box->file->oom_file, sizeof box->file->oom_file, "%s", oom_file);
    sm_box_note_oom(box);
    if (rename(fresh, box->path) != 0)
        return sm_err_set(err, SM_E_CONFIG, "runtime.dir: cannot write %s: %s", box->path,
                          strerror(errno));
    return 0;
}

struct sm_box *sm_box_open(const char *dir, const struct sm_box_label *label, uint32_t slots,
                           const char *oom_file, struct sm_err *err)
{
    if (make_dir(dir, err) != 0)
        return NULL;
    struct sm_box *box = calloc(1, sizeof *box);
    if (box == NULL) {
        sm_err_set(err, SM_E_NO_MEMORY, "no memory for the box file");
        return NULL;
    }
    box->fd = -1;
    if (box_make(box, dir, label, slots, oom_file, err) != 0) {
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

void sm_box_note_fault(struct sm_box *box, int signal, uint32_t slot)
{
    atomic_store(&box->file->faulted, slot);
    atomic_store(&box->file->signal, signal);
}

void sm_box_note_oom(struct sm_box *box)
{
    atomic_store(&box->file->oom_kills, sm_oom_kills(box->file->oom_file));
}

void sm_box_note_home(struct sm_box *box, int queue, const char *incarnation)
{
    char *home = box->file->label.home[queue];
    if (strcmp(home, incarnation) != 0)
        snprintf(home, SM_INCARNATION_TEXT, "%s", incarnation);
}

void sm_box_rename(struct sm_box *box, const char *worker)
{
    struct sm_box_label *label = &box->file->label;
    snprintf(label->worker, sizeof label->worker, "%s", worker);
}

void sm_box_remove(const struct sm_box *box)
{
    unlink(box->path);
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

/* The whole of a dead box; NULL when it is not one of ours. The caller frees it. */
static struct box_file *read_file(int fd)
{
    struct stat st;
    struct box_file *file = NULL;
    if (fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof *file || st.st_size > BOX_BYTES_MOST)
        return NULL;
    size_t size = (size_t)st.st_size;
    file = malloc(size);
    if (file != NULL && pread(fd, file, size, 0) == (ssize_t)size && file->magic == BOX_MAGIC &&
        file->slots <= (size - sizeof *file) / sizeof file->slot[0] && file->label.queues_n >= 0 &&
        file->label.queues_n <= SM_BOX_QUEUES)
        return file;
    free(file);
    return NULL;
}

static struct sm_box_entry entry_of(const struct box_slot *slot)
{
    return (struct sm_box_entry){slot->queue, {slot->ms, slot->seq}};
}

static void read_slots(const struct box_file *file, struct sm_box_report *report)
{
    for (uint32_t i = 0; i < file->slots; i++) {
        const struct box_slot *slot = &file->slot[i];
        int state = atomic_load(&slot->state);
        if (state == SM_BOX_FREE || slot->queue < 0 || slot->queue >= file->label.queues_n)
            continue;
        if (state == SM_BOX_RUNNING)
            report->running[report->running_n++] = entry_of(slot);
        else
            report->other[report->other_n++] = entry_of(slot);
    }
    uint32_t faulted = atomic_load(&file->faulted);
    report->fatal = atomic_load(&file->signal) != 0;
    report->has_faulted = report->fatal && faulted < file->slots;
    if (report->has_faulted)
        report->faulted = entry_of(&file->slot[faulted]);
}

static bool read_report(int fd, struct sm_box_report *report)
{
    struct box_file *file = read_file(fd);
    memset(report, 0, sizeof *report);
    if (file == NULL)
        return false;
    report->label = file->label;
    report->label.worker[sizeof report->label.worker - 1] = '\0';
    for (int i = 0; i < report->label.queues_n; i++) {
        report->label.queues[i][SM_QUEUE_NAME_MAX] = '\0';
        report->label.home[i][SM_INCARNATION_TEXT - 1] = '\0';
    }
    file->oom_file[sizeof file->oom_file - 1] = '\0';
    report->oom = sm_oom_kills(file->oom_file) > atomic_load(&file->oom_kills);
    report->running = calloc(file->slots + 1u, sizeof *report->running);
    report->other = calloc(file->slots + 1u, sizeof *report->other);
    bool fine = report->running != NULL && report->other != NULL;
    if (fine)
        read_slots(file, report);
    free(file);
    return fine;
}

static int judge(const char *path, int (*dead)(const struct sm_box_report *, void *), void *arg)
{
    struct sm_box_report report = {.running = NULL};
    int found = 0, fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    if (lock(fd) && read_report(fd, &report)) {
        found = 1;
        if (dead(&report, arg) == 0)
            unlink(path);
    }
    free(report.running);
    free(report.other);
    close(fd);
    return found;
}

int sm_box_each_dead(const char *dir, const struct sm_box *own,
                     int (*dead)(const struct sm_box_report *report, void *arg), void *arg)
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
