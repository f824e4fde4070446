/*
 * /metrics: Prometheus text (exposition format 0.0.4), base units, `_total` on counters only. Only
 * what this worker itself knows: a fleet's figures must not be counted once per worker.
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "worker/status.h"

static void head(struct sm_buf *out, const char *name, const char *kind, const char *help)
{
    sm_buf_printf(out, "# HELP stampmill_%s %s\n# TYPE stampmill_%s %s\n", name, help, name, kind);
}

static void gauge(struct sm_buf *out, const char *name, const char *help, double value)
{
    head(out, name, "gauge", help);
    sm_buf_printf(out, "stampmill_%s %.17g\n", name, value);
}

static void histogram(struct sm_buf *out, const char *name, const char *help,
                      const struct sm_hist *hist)
{
    uint64_t below = 0;
    head(out, name, "histogram", help);
    for (int i = 0; i <= SM_HIST_BUCKETS; i++) {
        below += atomic_load(&hist->bucket[i]);
        if (i < SM_HIST_BUCKETS)
            sm_buf_printf(out, "stampmill_%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                          (double)sm_hist_bounds_us[i] / 1e6, below);
    }
    sm_buf_printf(out, "stampmill_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, below);
    sm_buf_printf(out, "stampmill_%s_sum %.6f\n", name, (double)atomic_load(&hist->sum_us) / 1e6);
    sm_buf_printf(out, "stampmill_%s_count %" PRIu64 "\n", name, below);
}

static void counters(struct sm_buf *out, const struct sm_stats *sum)
{
    for (int i = 0; i < SM_COUNTERS; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s_total", sm_counter_names[i]);
        head(out, name, "counter", sm_counter_helps[i]);
        sm_buf_printf(out, "stampmill_%s %" PRIu64 "\n", name, atomic_load(&sum->counter[i]));
    }
    head(out, "job_cpu_seconds_total", "counter", "CPU time used by handlers");
    sm_buf_printf(out, "stampmill_job_cpu_seconds_total %.6f\n",
                  (double)atomic_load(&sum->cpu_us) / 1e6);
}

static void slots(struct sm_buf *out, const struct sm_slots *table)
{
    unsigned in[SM_SLOT_STATES] = {0};
    for (uint32_t i = 0; i < table->n; i++)
        in[sm_slot_state(&table->slot[i])]++;
    head(out, "slots", "gauge", "Jobs in hand by the state of their slot");
    for (int i = 0; i < SM_SLOT_STATES; i++)
        sm_buf_printf(out, "stampmill_slots{state=\"%s\"} %u\n",
                      sm_slot_state_name((enum sm_slot_state)i), in[i]);
}

static void process(struct sm_buf *out)
{
    struct rusage usage;
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm != NULL) {
        if (fscanf(statm, "%*u %lu", &pages) != 1)
            pages = 0;
        fclose(statm);
    }
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    sm_buf_printf(
        out,
        "# HELP process_cpu_seconds_total CPU time used\n"
        "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.6f\n"
        "# HELP process_resident_memory_bytes Resident memory\n"
        "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %.0f\n",
        cpu, (double)pages * (double)sysconf(_SC_PAGESIZE));
}

void sm_metrics_write(struct sm_worker *w, struct sm_buf *out)
{
    struct sm_stats sum = {0};
    sm_stats_sum(&sum, &w->stats_fetcher);
    sm_stats_sum(&sum, &w->stats_committer);
    sm_stats_sum(&sum, &w->stats_keeper);
    sm_stats_sum(&sum, &w->stats_mover);
    for (int i = 0; i < w->options->stamps; i++)
        sm_stats_sum(&sum, &w->stats_stamps[i]);
    counters(out, &sum);
    histogram(out, "job_wait_seconds", "Enqueued to started", &sum.wait);
    histogram(out, "job_run_seconds", "Run time of handlers", &sum.run);
    histogram(out, "commit_seconds", "A batch to its COMMIT", &sum.commit);
    slots(out, &w->slots);
    gauge(out, "stamps", "Threads that run jobs", w->options->stamps);
    gauge(out, "stamps_running", "Stamps that run a job now", atomic_load(&w->slots.running));
    gauge(out, "held_bytes", "Bytes of jobs and results in hand",
          (double)atomic_load(&w->slots.bytes));
    gauge(out, "redis_up", "1 when the last call of Redis worked", atomic_load(&w->redis_up));
    gauge(out, "postgres_up", "1 when the last call of PostgreSQL worked",
          atomic_load(&w->postgres_up));
    if (atomic_load(&w->outbox_due) >= 0) { /* of the fleet: one daemon counts */
        gauge(out, "outbox_due_jobs", "Durable jobs that are due and not in Redis yet",
              (double)atomic_load(&w->outbox_due));
        gauge(out, "outbox_later_jobs", "Durable jobs that wait in the outbox for their time",
              (double)atomic_load(&w->outbox_later));
    }
    process(out);
}
