// Graphile Worker, batched: fill WORK JOBS | work WORK rows|bare [LOG] | pace WORK RATE JOBS. Its queue is a
// table of PostgreSQL; Redis has no part in it.
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";
import { handler, inChunks, jobData, onSchedule, setting } from "./common.mjs";

const [verb, work, ...rest] = process.argv.slice(2);
const quiet = new Logger(() => (level, message) => void (level === "error" && console.error(message)));

async function prepared() {
  const pgPool = new pg.Pool({ max: 4 });
  pgPool.on("error", console.error);
  pgPool.on("connect", (client) => client.on("error", console.error)); // it warns of pools without
  const utils = await makeWorkerUtils({ pgPool, logger: quiet });
  await utils.migrate();
  return { pgPool, utils };
}

// Its own way to enqueue many: specs as rows of a composite type.
const addMany = "SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(SELECT json_populate_record(" +
  "NULL::graphile_worker.job_spec, spec) FROM json_array_elements($1::json) AS spec))";

async function fill(jobs) {
  const { pgPool, utils } = await prepared();
  const data = jobData(work);
  await inChunks(jobs, 5000, 2, (from, n) =>
    pgPool.query(addMany, [JSON.stringify(Array.from({ length: n }, (_, i) =>
      ({ identifier: work, payload: data(from + i) })))]));
  await pgPool.query("VACUUM ANALYZE graphile_worker._private_jobs");
  await utils.release();
  await pgPool.end();
}

async function serve(rows, log) {
  const task = handler(work, rows, log, setting("POOL"));
  const concurrentJobs = setting("CONCURRENCY");
  const runner = await run({
    taskList: { [work]: (payload) => task(payload) },
    noHandleSignals: true,
    logger: quiet,
    preset: {
      worker: {
        connectionString: "postgresql://",
        concurrentJobs,
        maxPoolSize: concurrentJobs + 1,
        localQueue: { size: setting("BATCH") },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
  console.log("ready");
  process.on("SIGTERM", () => runner.stop().finally(() => process.exit(0)));
}

async function pace(schedule) {
  const { pgPool, utils } = await prepared();
  const data = jobData(work);
  await onSchedule(schedule, (n) => utils.addJob(work, data(n)));
  await utils.release();
  await pgPool.end();
}

if (verb === "fill") await fill(Number(rest[0]));
else if (verb === "work") await serve(rest[0] === "rows", rest[1]);
else await pace(rest);
