"""What all static widgets share: images as data, one style, one script, an id of their own, and a limit on size."""

import base64
import hashlib
import io
import itertools
import warnings
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from importlib import resources
from typing import Any

from IPython.display import HTML
from matplotlib.figure import Figure
from PIL import Image

from cadnet_edu.figures import to_uint8

LARGE, TOO_LARGE = 1_500_000, 6_000_000  # bytes of HTML: a page slow to load, a page that breaks browsers
HEAVY = 40_000  # bytes: above, an image is tried as JPEG

_number = itertools.count(1)


def data_uri(image: Any) -> str:
    """A figure or an image as text that an ``<img>`` can hold.

    Small images become PNG, which keeps every pixel; heavy photographs become JPEG of quality 92 when that is smaller.
    A drawing needs no more than 256 colours; a figure that holds photographs keeps them all.
    """
    buffer = io.BytesIO()
    if isinstance(image, Figure):
        image.savefig(buffer, format="png", dpi=140, facecolor="white")
        return _uri("png", buffer.getvalue() if any(ax.images for ax in image.axes) else _few_colours(buffer))
    picture = Image.fromarray(to_uint8(image))
    picture.save(buffer, "PNG", optimize=True)
    if buffer.tell() > HEAVY:
        small = io.BytesIO()
        picture.save(small, "JPEG", quality=92, subsampling=0)
        if small.tell() < buffer.tell():
            return _uri("jpeg", small.getvalue())
    return _uri("png", buffer.getvalue())


def _few_colours(png: io.BytesIO) -> bytes:
    """A drawing with a palette, which takes a third of the space."""
    small = io.BytesIO()
    Image.open(png).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def img(uri: str, alt: str, pixels: bool = True) -> str:
    """An ``<img>`` with its text; the theme's dark-mode filter is kept off, so that colours stay true."""
    if not alt.strip():
        raise ValueError("an image without a text (alt) was given: say in a few words what it shows.")
    classes = "dark-light cw-pixels" if pixels else "dark-light"
    return f'<img class="{classes}" src="{uri}" alt="{escape(alt)}" draggable="false">'


def radios(name: str, legend: str, options: Sequence[tuple[str, str]], chosen: int = 0) -> str:
    """A group of radio buttons, a value and words each; hidden until the script runs."""
    buttons = "".join(
        f'<label class="cw-radio"><input type="radio" name="__ID__-{name}" value="{escape(value)}"'
        f"{' checked' * (i == chosen)}><span>{escape(words)}</span></label>"
        for i, (value, words) in enumerate(options)
    )
    return f'<fieldset class="cw-controls" hidden><legend>{escape(legend)}</legend>{buttons}</fieldset>'


@lru_cache
def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def widget(kind: str, title: str, body: str, width: int, attributes: str = "") -> HTML:
    """Put a widget together: body, style and script in one piece that needs nothing else.

    Args:
        kind: ``player``, ``compare``, ``chooser`` or ``quiz``.
        title: shown above, and the name of the group for screen readers; without it the kind is the name.
        body: the HTML between title and script.
        width: of a picture, in pixels; on a narrower screen it shrinks.
        attributes: more HTML attributes of the outer element.

    Raises:
        ValueError: above 6 MB.

    Warns:
        UserWarning: above 1.5 MB.
    """
    number = next(_number)  # the same cell shown twice must not share an id
    name = f"cw-{hashlib.sha256(body.encode()).hexdigest()[:10]}-{number}"
    body = body.replace("__ID__", name)
    heading = f'<div class="cw-title">{escape(title)}</div>' if title else ""
    page = (
        f'<div class="cadnet-widget" id="{name}" data-kind="{kind}" role="group" aria-label="{escape(title or kind)}" '
        f'style="--cw-width:{width}px" {attributes}>\n<style>{_asset("widget.css")}</style>\n{heading}\n{body}\n'
        f"<script>{_asset('widget.js').replace('__ID__', name)}</script>\n</div>"
    )
    size = len(page.encode())
    advice = "Show fewer frames, or smaller ones."
    if size > TOO_LARGE:
        raise ValueError(f"this {kind} is {size / 1e6:.1f} MB of HTML; at most {TOO_LARGE / 1e6:.0f} MB. {advice}")
    if size > LARGE:
        warnings.warn(f"this {kind} makes the page {size / 1e6:.1f} MB heavier. {advice}", stacklevel=3)
    return HTML(page)
