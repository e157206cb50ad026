"""Check that every link inside the built documentation leads somewhere.

``python docs/check_links.py docs/_build/html``: files that are missing, and anchors that are not
on the page that they point to. Links to other sites are left alone.
"""

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Links and anchors of one page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = set(), {"", "top"}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Keep what points, and what can be pointed to."""
        attrs = dict(attrs)
        self.anchors.update({attrs.get("id"), attrs.get("name")} - {None})
        target = attrs.get("href") or attrs.get("src")
        if target and tag in ("a", "img", "link", "script"):
            self.links.add(target)


@cache
def read_page(path):
    """A page is parsed once, however many links lead to it."""
    return Page(path)


def broken_links(folder):
    """Yield (page, link) for every link that leads nowhere."""
    for path in sorted(folder.rglob("*.html")):
        if "_static" in path.parts or "_downloads" in path.parts:
            continue
        for link in sorted(read_page(path).links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(parts.fragment).split(":~:")[0]  # the rest asks to mark some text
            if not target.exists() or (
                target.suffix == ".html" and anchor not in read_page(target).anchors
            ):
                yield path.relative_to(folder), link


def main(folder):
    """Print what is broken; returns the exit status."""
    broken = list(broken_links(Path(folder).resolve()))
    for page, link in broken:
        print(f"{page}: {link}")
    print(f"{len(broken)} broken links inside the documentation")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
