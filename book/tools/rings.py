"""The rooms of the package: which ring each belongs to, what it is for, and the picture of it.

``RINGS`` is the one table: ``tests/test_layers.py`` holds the imports to it, and ``book/architecture.md`` shows it.
"""

from __future__ import annotations

from html import escape

# Ring -> room -> purpose. A room may import the rooms before it, in its own ring and in the rings before that.
RINGS: dict[str, dict[str, str]] = {
    "core": {
        "config": "every setting of a run, the presets",
        "io": "writes files whole or not at all",
        "locks": "one process at a time in a folder",
        "losses": "equations (1) to (6), pure functions",
        "models": "E, G, F, C and the discriminators",
        "walkers": "draws one pedestrian",
        "data": "from folders to batches",
        "training": "objective, step, loop, checkpoints",
        "evaluation": "retrieval scores and image quality",
        "methods": "the methods that the tables compare",
        "runs": "train a run once, find it again",
        "pretrained": "the networks that come along",
    },
    "lab": {
        "analysis": "arrays in, numbers out",
        "figures": "arrays in, figures out",
        "lab": "the paper's tables, figures, claims",
    },
    "teach": {"teach": "notebooks, exercise checks, widgets"},
    "cli": {"cli": "every command's options and output", "__main__": "python -m cadnet_edu"},
}
ABOUT = {
    "core": "the paper; knows none of the others",
    "lab": "the paper's evidence; uses core",
    "teach": "the book's side; uses core and figures",
    "cli": "the command line; knows all",
}
COLOURS = {"core": ("#e6f0f8", "#0072b2"), "lab": ("#e5f4ee", "#007a5a"), "teach": ("#fdf1df", "#9a5b00"),
           "cli": ("#f7ebf3", "#a0477c")}  # fmt: skip
WIDTH, LINE, HEAD, GAP = 440, 24, 38, 16  # of the picture, in its own units: narrow enough to be read on a phone


def description() -> str:
    """Return what the picture shows, for those who cannot see it."""
    rings = "; ".join(f"{ring} ({ABOUT[ring]}): {', '.join(rooms)}" for ring, rooms in RINGS.items())
    return f"The rooms of the package in {len(RINGS)} rings, the innermost first. {rings}."


def svg() -> str:
    """Return the picture of the rings: each encloses those that it may use, with ``core`` in the middle.

    The background is part of the picture, so that it is read alike on light and on dark pages.
    """
    drawn: list[str] = []
    # cli surrounds everything; lab and teach stand above core, which all of them use.
    y = 2 * GAP + HEAD + LINE * len(RINGS["cli"])
    for ring in ("teach", "lab", "core"):
        height = HEAD + LINE * len(RINGS[ring]) + 8
        drawn += _box(ring, 2 * GAP, y, WIDTH - 4 * GAP, height)
        y += height + GAP
    frame = _box("cli", GAP, GAP, WIDTH - 2 * GAP, y - GAP)
    total = y + GAP
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" role="img" aria-labelledby="title desc"'
        ' font-family="Helvetica, Arial, sans-serif" font-size="15" fill="#111">',
        '<title id="title">The rings of the package</title>',
        f'<desc id="desc">{escape(description())}</desc>',
        f'<rect width="{WIDTH}" height="{total}" rx="14" fill="#fff"/>',
        *frame,
        *drawn,
        "</svg>",
    ]) + "\n"  # fmt: skip


def _box(ring: str, x: int, y: int, width: int, height: int) -> list[str]:
    """Return a ring's box, its name, and a line for each room."""
    fill, stroke = COLOURS[ring]
    lines = [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="12" fill="{fill}" stroke="{stroke}"/>',
        f'<text x="{x + 12}" y="{y + 25}"><tspan font-weight="bold" font-size="17">{ring}</tspan>'
        f'<tspan dx="10">{escape(ABOUT[ring])}</tspan></text>',
    ]
    for i, (room, purpose) in enumerate(RINGS[ring].items(), 1):
        at = y + 25 + LINE * i
        lines.append(f'<text x="{x + 12}" y="{at}" font-weight="bold" fill="#222">{room}</text>')
        lines.append(f'<text x="{x + 106}" y="{at}">{escape(purpose)}</text>')
    return lines


def rooms() -> str:
    """Return the table of all rooms, ring by ring, as Markdown."""
    lines = ["| ring | room | what it is for |", "|---|---|---|"]
    for ring, inside in RINGS.items():
        lines += [f"| {ring} | `{room}` | {purpose} |" for room, purpose in inside.items()]
    return "\n".join(lines) + "\n"


def figure() -> str:
    """Return the directive that shows the picture, its description included."""
    options = [":name: fig-rings", f':alt: "{description()}"', ":class: dark-light", f":width: {WIDTH}px"]
    caption = "An import points to a ring further in or further down, or up the list within its ring; never back."
    lines = ["```{figure} /book/generated/rings.svg", *options, "", caption, "```"]
    return "\n".join(lines) + "\n"
