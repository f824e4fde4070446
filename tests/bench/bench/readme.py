"""The README's part: one table and one picture, between two marks, written by the benchmark itself."""
import os

from . import picture
from .report import machine_line
from .servers import ROOT

README, PICTURE = f"{ROOT}/README.md", "tests/bench/benchmark.svg"
BEGIN, END = "<!-- written by tests/bench/run --readme -->", "<!-- end of what tests/bench/run --readme writes -->"


def rate(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


HEAD = ["", "noop with a row each, jobs/s", "without rows", "json with a row each, jobs/s", "worker's CPU per json job, µs",
        "200 jobs/s: p50 / p99, ms"]


def cells(results, name):
    """Of one side; what was not measured is empty."""
    noop, json = results.get("noop", {}), results.get("json", {})
    ours = name in ("stampmill", "bare")
    with_rows, without = (noop.get(name), None) if ours else (noop.get(f"{name} rows"), noop.get(name))
    documents, paced = json.get(name if ours else f"{name} rows"), results.get("latency", {}).get(name)
    return [*(rate(figures["jobs_per_s"]) if figures else "" for figures in (with_rows, without, documents)),
            f"{documents['client_us']:,.0f}" if documents else "",
            f"{paced['p50_ms']:.1f} / {paced['p99_ms']:.1f}" if paced else ""]


def table(results):
    rows = [[picture.short_name(name), *cells(results, name)] for name in picture.NAMES]
    return ["| " + " | ".join(row) + " |" for row in
            (HEAD, ["---"] + ["--:"] * (len(HEAD) - 1), *(row for row in rows if any(row[1:])))]


def sentences(results):
    """What is not in the table, as far as it was measured."""
    said = []
    if "footprint" in results:
        f = results["footprint"]
        said.append(f"One daemon takes {f['idle_rss_mib']:.1f} MiB when idle and {f['after_many_rss_mib']:.1f} MiB after "
                    f"{f['many']:,} jobs; idle it uses {f['idle_cpu_percent']:.2f} % of a core. From its start to its "
                    f"first committed result it is {f['first_result_ms']:.0f} ms.")
    if "capacity" in results:
        f = results["capacity"]
        said.append(f"json was held at {rate(f['jobs_per_s'])} jobs/s with the producer running. From the moment a job was "
                    f"due to its committed row, p99 is {f['50%']['best_p99_ms']:.1f} ms at half of that and "
                    f"{f['80%']['best_p99_ms']:.1f} ms at 80 %.")
    if "burn" in results:
        f = results["burn"]["20 ms"]
        most = list(f)[-1]
        said.append(f"Of jobs of 20 ms of CPU {most} do {f[most]['times']:.2f} times as many as one.")
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
