"""A lane: a database of PostgreSQL and one of Redis on servers that lanes share, in which one run after another is made.

The jobs of a run carry what must become of them; `complete` and `wrong` look whether it has."""
import json
import os
import signal
import subprocess
import time
import uuid

from campaign import history
from campaign.jobs import quote
from campaign.pg import Pg
from campaign.resp import Redis
from campaign.servers import ROOT

LIMIT_S = 60
QUEUE = "sm:{default}"
# what may stay when all is done: an empty stream with its group, and who made it
STAYS = {f"{QUEUE}:jobs", f"{QUEUE}:meta", f"{QUEUE}:workers"}


class Job:
    """`failures`: life, attempt and code of what stands in stampmill.attempts; a failure that was committed and not yet
    parked when its worker died happens again, under the same number. Attempt None: any, and so are failures."""

    def __init__(self, type_name, args, state="succeeded", attempt=1, life=1, error=None, failures=(), **fields):
        self.id = str(uuid.uuid4())
        self.type, self.args, self.fields = type_name, args, fields
        self.want = (state, life, attempt, error)
        self.failures = set(failures)
        self.entry = None

    def wrong(self, row, failures):
        if row is None:
            return "has no row"
        state, life, attempt, error = self.want
        have = (row.state, row.life, attempt if attempt is None else row.attempt, row.error)
        if have != self.want:
            return f"ended as {have}"
        if attempt is not None and set(failures) != self.failures:
            return f"has the failed attempts {sorted(failures)}"
        return None

    def __str__(self):
        return f"{self.type} {json.dumps(self.args)} {self.fields or ''}"


class Lane:
    def __init__(self, servers, build, folder, number):
        self.build, self.number = build, number
        self.folder = f"{folder}/lane-{number}"
        os.makedirs(self.folder)
        database = f"lane_{number}"
        servers.pg().query(f"CREATE DATABASE {database} TEMPLATE stampmill")
        self.pg = Pg(servers.pg_socket, database=database)
        self.redis = Redis(servers.redis_socket, 10)
        self.redis.call("SELECT", number)
        self.urls = ["--redis.url", f"unix://{servers.redis_socket}?db={number}",
                     "--postgres.url", f"postgresql:///{database}?host={servers.dir}&user=stampmill"]
        self.jobs, self.run = [], 0
        self.bury()

    # --- processes ---

    def daemon(self, doom=None, steps=None, *flags):
        """One of this run's host, which dies where `doom` says, or not."""
        environment = {**os.environ, **({"CHAOS_DOOM": doom} if doom else {}), **({"CHAOS_STEPS": steps} if steps else {})}
        words = [f"{self.build}/chaos/chaos_doomed", *self.urls, "--debug-types", "--http.listen", "off",
                 "--runtime.dir", f"{self.folder}/run-{self.run}", "--worker.stamps", "2", "--lease", "1s",
                 "--job.backoff", "20ms", "--log.format", "json", *flags]
        with open(f"{self.folder}/run-{self.run}.log", "ab") as log:
            self.log_began = log.tell()
            return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def has_started(self):
        """The last daemon; before that it knows no signals."""
        with open(f"{self.folder}/run-{self.run}.log", "rb") as log:
            log.seek(self.log_began)
            return b"worker started" in log.read()

    def cli(self, *words):
        return subprocess.run([f"{self.build}/bin/stampmill", *words, *self.urls], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode

    # --- jobs ---

    def clean(self):
        self.run += 1
        self.jobs = []
        self.redis.call("FLUSHDB")
        self.pg.query("DELETE FROM stampmill.results; DELETE FROM stampmill.attempts; DELETE FROM stampmill.outbox; "
                      "DELETE FROM stampmill.epochs; DELETE FROM chaos.written")

    def add(self, job):
        """Into Redis, as any client would."""
        fields = {"id": job.id, "type": job.type, "args": json.dumps(job.args), **job.fields}
        job.entry = self.redis.call("XADD", f"{QUEUE}:jobs", "*", *(str(word) for pair in fields.items() for word in pair))
        self.jobs.append(job)
        return job

    def enqueue(self, job):
        """Into the outbox, by stampmill.enqueue."""
        more = "".join(f", {name} => {value}" for name, value in job.fields.items())
        self.pg.query(f"SELECT stampmill.enqueue('default', {quote(job.type)}, {quote(json.dumps(job.args))}, "
                      f"id => '{job.id}'{more})")
        self.jobs.append(job)
        return job

    def bury(self):
        """Keeps the rows of a job that has failed for good, for `retried`."""
        self.clean()
        self.add(Job("debug.fail", {"how": "permanent"}, state="dead", error="failed", failures=[(1, 1, "failed")]))
        self.finish("the job to be retried")
        for table in ("results", "attempts"):
            self.pg.query(f"CREATE TABLE chaos.{table} AS SELECT * FROM stampmill.{table}")
        self.buried = self.jobs[0]

    def retried(self):
        """That job, in its second life."""
        for table in ("results", "attempts"):
            self.pg.query(f"INSERT INTO stampmill.{table} SELECT * FROM chaos.{table}")
        job = Job("debug.fail", {"how": "permanent", "on_attempts": []}, life=2, failures=[(1, 1, "failed")])
        job.id = self.buried.id
        self.pg.query(f"SELECT stampmill.retry('{job.id}', {quote(json.dumps(job.args))})")
        self.jobs.append(job)

    # --- what became of them ---

    def complete(self):
        """All rows are there, and nothing of a job is left in Redis or in the outbox."""
        ended, outbox = self.pg.query("SELECT (SELECT count(*) FROM stampmill.results WHERE state <> 'waiting'), "
                                      "(SELECT count(*) FROM stampmill.outbox)")[0]
        if int(ended) < len(self.jobs) or int(outbox) > 0 or self.redis.call("XLEN", f"{QUEUE}:jobs") > 0:
            return False
        return self.keys() <= STAYS

    def keys(self):
        return {key.decode() for key in self.redis.call("KEYS", f"{QUEUE}:*")}

    def let_an_hour_pass(self):
        """After which relays ask Redis for whatever they have not heard of since."""
        self.pg.query("UPDATE stampmill.outbox SET asked_at = asked_at - interval '1 hour' WHERE asked_at IS NOT NULL")

    def wrong(self):
        """Texts of what must not be, after a drain."""
        rows, attempts = history.rows(self.pg), history.attempts(self.pg)
        for job in self.jobs:
            text = job.wrong(rows.get(job.id), [failure[:3] for failure in attempts.get(job.id, ())])
            if text:
                yield f"{job} wants {job.want} {job.failures}, and {text}"
        strange = set(rows) | set(attempts)
        for row in strange - {job.id for job in self.jobs}:
            yield f"a row of no job: {row}"
        for row in history.changed_successes(self.pg):
            yield f"a succeeded row was changed: {row}"
        if not self.complete():
            yield f"left: {self.keys()}, XLEN {self.redis.call('XLEN', f'{QUEUE}:jobs')}"
        pending = self.redis.call("XPENDING", f"{QUEUE}:jobs", "mill")
        if pending[0]:
            yield f"pending ids are left: {pending}"
        workers = [peer[1] for peer in self.redis.call("XINFO", "CONSUMERS", f"{QUEUE}:jobs", "mill")
                   if not peer[1].startswith(b":")]
        if workers or self.redis.call("EXISTS", f"{QUEUE}:workers"):
            yield f"workers are left: {workers}"

    def until(self, condition, what):
        """None, or that it took too long."""
        end = time.monotonic() + LIMIT_S
        while not condition():
            if time.monotonic() > end:
                return f"{what}: not so after {LIMIT_S} s"
            time.sleep(0.01)
        return None

    def end(self, daemon):
        """Drains it; None, or what is wrong with its end."""
        daemon.send_signal(signal.SIGTERM)
        try:
            code = daemon.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            return f"a drain did not end in {LIMIT_S} s"
        return None if code in (0, -signal.SIGKILL) else f"a daemon ended with {code}"

    def finish(self, what):
        """A healthy daemon completes what there is; texts of what is wrong then."""
        healthy = self.daemon()
        late = self.until(lambda: self.has_started() and self.complete() or healthy.poll() is not None, what)
        found = [text for text in (late, self.end(healthy)) if text]
        return found + list(self.wrong())
