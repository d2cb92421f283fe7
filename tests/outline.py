"""What a page consists of, read by the standard library's parser."""

from html.parser import HTMLParser

from deltarule.inspect.html import VOID


class Outline(HTMLParser):
    """Every element with its attributes, and every text, of a page whose elements are all closed."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"{tag} has an attribute twice: {attrs}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All that can be read."""
        return "".join(self.texts)

    def assert_self_contained(self):
        """No script, no link, no event, nothing that is fetched."""
        names = {name for name, _ in self.elements}
        assert not names & {"script", "link", "iframe", "object", "embed", "base", "form", "foreignobject"}
        for name, given in self.elements:
            assert not [key for key in given if key.startswith("on")]
            for key, value in given.items():
                if key in ("src", "href", "xlink:href", "action", "srcset"):
                    assert value.startswith(("#", "data:image/png;base64,")), (name, key, value)
                if not key.startswith("xmlns") and key not in ("title", "aria-label"):
                    assert "http" not in value, (name, key, value)


def outline(page: bytes) -> Outline:
    """The page, read."""
    found = Outline()
    found.feed(page.decode())
    found.close()
    assert not found.open
    return found
