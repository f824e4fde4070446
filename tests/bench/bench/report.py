"""The figures as text and as JSON."""
import json

from . import bounds


def figure_text(value):
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def is_table(figures):
    return all(isinstance(row, dict) and not any(isinstance(value, dict) for value in row.values())
               for row in figures.values())


def columns(rows):
    """Lines of cells, the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                             for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows]


def table(figures):
    keys = list(dict.fromkeys(key for row in figures.values() for key in row))
    rows = [["", *keys]] + [[name, *(figure_text(row[key]) if key in row else "" for key in keys)]
                            for name, row in figures.items()]
    return columns(rows)


def subject_lines(figures):
    if is_table(figures):
        return table(figures)
    plain = {key: value for key, value in figures.items() if not isinstance(value, dict)}
    lines = columns([[key, figure_text(value)] for key, value in plain.items()]) if plain else []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += [f"  {name}"] + ["  " + line for line in (subject_lines(value))]
    return lines


def machine_line(about):
    machine, versions = about["machine"], about["versions"]
    return (f"{about['date']}, {machine['processor']}, {machine['cores']} cores shared by servers, workers and producers, "
            f"{machine['memory_gib']} GiB, {machine['system']}, Linux {machine['kernel']}; "
            + ", ".join(f"{name} {version}" for name, version in versions.items()))


def bounds_lines(results):
    rows = [["bound", "figure", "to reach", "reached"]]
    for bound, figure in bounds.judged(results):
        rows.append([bound.text, f"{figure:.3g}{bound.unit}", bound.limit_text(),
                     "yes" if bound.reached(figure) else "NO"])
    return columns(rows) if len(rows) > 1 else []


def text(report):
    lines = [machine_line(report["about"])]
    if report["about"]["size"] != 1:
        lines.append(f"Only {report['about']['size']:g} of the jobs and seconds of a full run.")
    for name, figures in report["results"].items():
        lines += ["", name, *subject_lines(figures)]
    lines += ["", *bounds_lines(report["results"])]
    lines += [f"left out: {name}: {why}" for name, why in report["missing"].items()]
    return "\n".join(lines)


def read(path):
    with open(path) as file:
        return json.load(file)


def write(path, report):
    with open(path, "w") as file:
        json.dump(report, file, indent=2)
        file.write("\n")
