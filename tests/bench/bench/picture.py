"""The picture: bars of jobs a second, drawn as SVG by hand. Readable on white and on black."""
WIDTH, LABEL, BAR, GAP, RIGHT = 760, 230, 18, 8, 110
OURS, OTHERS, INK = "#d9822b", "#7a8ba3", "#6b7480"
TITLES = {"noop": "noop: jobs per second", "json": "json of 4 KiB, one row each: jobs per second"}
NAMES = {"stampmill": "Stampmill", "bare": "bare reference", "bullmq": "BullMQ on Node", "bullmq-bun": "BullMQ on Bun",
         "asynq": "asynq (Go)", "sidekiq": "Sidekiq", "graphile": "Graphile Worker, batched"}


def short_name(name):
    return NAMES[name.removesuffix(" rows")]


def full_name(name):
    """The daemon and the reference store a row each, always."""
    return short_name(name) + (", rows" if name in ("stampmill", "bare") or name.endswith(" rows") else "")


def bar(y, name, value, most, ours):
    width = max(1.0, (WIDTH - LABEL - RIGHT) * value / most)
    middle = y + BAR * 0.72
    return (f'<text x="{LABEL - 8}" y="{middle:.1f}" text-anchor="end">{full_name(name)}</text>'
            f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2" fill="{OURS if ours else OTHERS}"/>'
            f'<text x="{LABEL + width + 6:.1f}" y="{middle:.1f}">{value:,.0f}</text>')


def panel(y, subject, figures):
    """Its bars, the fastest first, and the height used."""
    order = sorted(figures, key=lambda name: -figures[name]["jobs_per_s"])
    most = figures[order[0]]["jobs_per_s"]
    parts = [f'<text x="0" y="{y + 14}" font-weight="bold">{TITLES[subject]}</text>']
    y += 26
    for name in order:
        parts.append(bar(y, name, figures[name]["jobs_per_s"], most, name == "stampmill"))
        y += BAR + GAP
    return parts, y + 14


def svg(results):
    y, parts = 0, []
    for subject in TITLES:
        if subject in results:
            more, y = panel(y, subject, results[subject])
            parts += more
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="13" '
            f'fill="{INK}">\n' + "\n".join(parts) + "\n</svg>\n")
