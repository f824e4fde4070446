"""The README's part: one table and one picture, between two marks, written by the benchmark itself."""
import os

from . import picture
from .report import machine_line
from .servers import ROOT

README, PICTURE = f"{ROOT}/README.md", "tests/bench/benchmark.svg"
BEGIN, END = "<!-- written by tests/bench/run --readme -->", "<!-- end of what tests/bench/run --readme writes -->"


def rate(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def throughput_rows(results):
    """A row for each side: noop and json, jobs/s and processor time of the worker."""
    noop, json = results.get("noop", {}), results.get("json", {})
    names = list(dict.fromkeys(name.removesuffix(" rows") for name in (*noop, *json)))
    for name in names:
        stored = noop.get(f"{name} rows") or (noop.get(name) if name in ("stampmill", "bare") else None)
        bare = noop.get(name) if name not in ("stampmill", "bare") else None
        documents = json.get(f"{name} rows") or json.get(name)
        yield [picture.full_name(name).removesuffix(", rows"),
               *(rate(figures["jobs_per_s"]) if figures else "" for figures in (stored, bare, documents)),
               f"{documents['client_us']:,.0f}" if documents else ""]


def latency_cells(results, name):
    figures = results.get("latency", {}).get(name)
    return [f"{figures['p50_ms']:.1f} / {figures['p99_ms']:.1f}" if figures else ""]


def table(results):
    lines = ["| | noop with a row each, jobs/s | without rows | json with a row each, jobs/s | worker's CPU per json job, µs "
             "| 200 jobs/s: p50 / p99, ms |", "|---|--:|--:|--:|--:|--:|"]
    names = {picture.NAMES[name].removesuffix(", rows"): name for name in picture.NAMES}
    for row in throughput_rows(results):
        lines.append("| " + " | ".join(row + latency_cells(results, names.get(row[0], row[0]))) + " |")
    return lines


def sentences(results):
    """What is not in the table, as far as it was measured."""
    said = []
    if "footprint" in results:
        f = results["footprint"]
        said.append(f"One daemon takes {f['idle_rss_mib']:.1f} MiB when idle, {f['after_many_rss_mib']:.1f} MiB after "
                    f"{f['many']:,} jobs, and {f['idle_cpu_percent']:.2f} % of a core when idle; from its start to its first "
                    f"committed result it is {f['first_result_ms']:.0f} ms.")
    if "capacity" in results:
        f = results["capacity"]
        said.append(f"json was held at {rate(f['jobs_per_s'])} jobs/s with the producer running; at half of that p99 is "
                    f"{f['50%']['best_p99_ms']:.1f} ms, at 80 % {f['80%']['best_p99_ms']:.1f} ms, from the moment a job was due "
                    "to its committed row.")
    if "burn" in results:
        f = results["burn"]["20 ms"]
        most = list(f)[-1]
        said.append(f"Jobs of 20 ms of CPU: {most.replace(' stamps', '')} stamps do {f[most]['times']:.2f} times the work of one.")
    return said


def part(report):
    results = report["results"]
    return "\n".join([BEGIN, f"![Jobs per second]({PICTURE})", "", *table(results), "", *sentences(results), "",
                      f"Medians of {report['about']['pairs']} alternating rounds, {machine_line(report['about'])}.", END])


def write(report):
    """Replaces what is between the marks."""
    with open(README) as file:
        text = file.read()
    if BEGIN not in text or END not in text:
        raise SystemExit(f"bench: README.md has no marks: {BEGIN}")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    with open(os.path.join(ROOT, PICTURE), "w") as file:
        file.write(picture.svg(report["results"]))
    with open(README, "w") as file:
        file.write(before + part(report) + after)
