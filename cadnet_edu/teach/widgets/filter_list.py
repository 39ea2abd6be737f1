"""A list of entries that open and close, filtered by kind."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from IPython.display import HTML

from cadnet_edu.teach.widgets.page import radios, widget


@dataclass(frozen=True)
class Entry:
    """One entry of the list; all texts are plain."""

    kind: str  # what it is filtered by
    head: str  # what is seen while it is closed
    text: Sequence[str] = ()  # paragraphs
    points: Sequence[str] = ()  # a list below them
    end: str = ""  # a last, stressed paragraph

    def html(self) -> str:
        """The entry as HTML that opens and closes without any script."""
        paragraphs = "".join(f"<p>{escape(words)}</p>" for words in self.text)
        points = "".join(f"<li>{escape(words)}</li>" for words in self.points)
        listed = f"<ul>{points}</ul>" if points else ""
        end = f"<p><b>{escape(self.end)}</b></p>" if self.end else ""
        return (
            f'<details class="cw-entry" data-kind="{escape(self.kind)}"><summary>{escape(self.head)} '
            f'<span class="cw-kind">{escape(self.kind)}</span></summary>{paragraphs}{listed}{end}</details>'
        )


def filtered_list(entries: Sequence[Entry], title: str, kinds: Sequence[str] = ()) -> HTML:
    """Show entries that open and close, with buttons that filter them by kind.

    Without a script all entries are there and open one by one; on paper all are closed.

    Args:
        entries: in the order in which they are shown.
        title: shown above, and read aloud.
        kinds: order of the buttons; without it that of the entries. A kind without entries has no button.

    Raises:
        ValueError: without entries, or for an entry whose kind is not among those given.
    """
    if not entries:
        raise ValueError("a list needs at least one entry.")
    count = Counter(entry.kind for entry in entries)
    unknown = sorted(set(count) - set(kinds)) if kinds else []
    if unknown:
        raise ValueError(f"entries of the kinds {unknown}, which are not among {list(kinds)}: name every kind.")
    offered = [("", f"all ({len(entries)})")] + [(k, f"{k} ({count[k]})") for k in kinds or count if count[k]]
    shown = "".join(entry.html() for entry in entries)
    body = f'{radios("kind", "show", offered)}<p class="cw-feedback" aria-live="polite"></p>{shown}'
    return widget("filtered_list", title, body, 600)
