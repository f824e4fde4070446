// BullMQ: fill WORK JOBS | work WORK rows|bare [LOG] | pace WORK RATE JOBS. On Node and on Bun.
import { Queue, Worker } from "bullmq";
import { handler, inChunks, jobData, onSchedule, setting } from "./common.mjs";

const QUEUE = "bench";
const connection = {
  path: process.env.PEER_REDIS,
  maxRetriesPerRequest: null,
  enableAutoPipelining: setting("PIPE") === 1,
};
const opts = { removeOnComplete: true };
const [verb, work, ...rest] = process.argv.slice(2);

async function fill(jobs) {
  const queue = new Queue(QUEUE, { connection });
  const data = jobData(work);
  await inChunks(jobs, 500, 4, (from, n) =>
    queue.addBulk(Array.from({ length: n }, (_, i) => ({ name: work, data: data(from + i), opts }))));
  await queue.close();
}

function serve(rows, log) {
  const run = handler(work, rows, log, setting("POOL"));
  const worker = new Worker(QUEUE, (job) => run(job.data), {
    connection,
    concurrency: setting("CONCURRENCY"),
    removeOnComplete: { count: 0 },
    lockDuration: 300000, // no lock is renewed while we measure
    stalledInterval: 300000,
  });
  worker.on("error", (error) => console.error(error));
  worker.waitUntilReady().then(() => console.log("ready"));
  process.on("SIGTERM", () => worker.close(true).then(() => process.exit(0)));
}

async function pace(schedule) {
  const queue = new Queue(QUEUE, { connection });
  const data = jobData(work);
  await queue.waitUntilReady();
  await onSchedule(schedule, (n) => queue.add(work, data(n), opts));
  await queue.close();
}

if (verb === "fill") await fill(Number(rest[0]));
else if (verb === "work") serve(rest[0] === "rows", rest[1]);
else await pace(rest);
