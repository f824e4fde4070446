// What the programs in JavaScript share: the inputs, the row of a job, and how a worker tells how far it is.
import { openSync, readFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

const PAD = "0".repeat(185);

// Unix time to the microsecond: Date.now() alone has milliseconds, and performance.timeOrigin is late by the start-up.
const hrUs = () => Number(process.hrtime.bigint() / 1000n);
const offset = Math.max(...Array.from({ length: 20 }, () => {
  const before = Date.now();
  while (Date.now() === before);
  return Date.now() * 1000 - hrUs();
}));
export const nowUs = () => offset + hrUs();

/** What job number n carries: 200 bytes, or a document of 4 KiB. */
export function jobData(work) {
  if (work === "noop") return (n) => ({ n, pad: PAD });
  const documents = process.env.PEER_INPUTS.split(" ").map((path) => JSON.parse(readFileSync(path, "utf8")));
  return (n) => ({ n, records: documents[n % documents.length] });
}

/** Sums `amount` by `region`. */
export function aggregate(records) {
  const totals = new Map();
  for (const { region, amount } of records) totals.set(region, (totals.get(region) ?? 0) + amount);
  return Array.from(totals, ([region, total]) => ({ region, total }));
}

/** One insert for each job, committed when it returns; prepared once a connection. */
export function rowWriter(poolSize) {
  const pool = new pg.Pool({ max: poolSize });
  const insert = {
    name: "insert",
    text: "INSERT INTO bench.results (id, type, state, attempt, started_at, finished_at, result)" +
      " VALUES ($1, $2, 'succeeded', 1, to_timestamp($3), now(), $4)",
  };
  return (n, work, startedUs, result) =>
    pool.query({ ...insert, values: [n, work, startedUs / 1e6, result === null ? null : JSON.stringify(result)] });
}

/** The handler of both kinds of jobs, and a line "JOBS FIRST_US LAST_US" ten times a second. */
export function handler(work, rows, log, poolSize) {
  const write = rows ? rowWriter(poolSize) : null;
  const clock = log ? openSync(log, "a") : null;
  let jobs = 0, told = 0, first = 0, last = 0;
  setInterval(() => {
    if (jobs === told) return;
    told = jobs;
    process.stdout.write(`${jobs} ${first} ${last}\n`);
  }, 100);
  return async (data) => {
    const started = nowUs();
    first ||= started;
    const result = work === "json" ? aggregate(data.records) : null;
    if (write) await write(data.n, work, started, result);
    last = nowUs();
    if (clock) writeSync(clock, `${data.n} ${last}\n`);
    jobs++;
  };
}

/** Job n at began + n / rate, whatever became of those before; prints began, and how late the last was sent. */
export async function onSchedule([rate, jobs], send) {
  const began = nowUs() + 100000;
  const due = (n) => began + (n * 1e6) / Number(rate);
  const sent = [];
  for (let n = 0; n < Number(jobs); n++) {
    const wait = (due(n) - nowUs()) / 1000;
    if (wait > 0) await sleep(wait);
    sent.push(send(n));
  }
  await Promise.all(sent);
  console.log(began, Math.round(nowUs() - due(Number(jobs) - 1)));
}

/** Many jobs in chunks, several under way at once. */
export async function inChunks(jobs, size, atOnce, send) {
  let next = 0;
  const one = async () => {
    while (next < jobs) {
      const from = next;
      next += size;
      await send(from, Math.min(size, jobs - from));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

/** PEER_<NAME>. */
export const setting = (name) => Number(process.env[`PEER_${name}`]);
