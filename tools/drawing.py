"""Draw boxes and arrows as SVG: legible on white and on black, and on a telephone."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

# White text stands on the fills; lines are a grey that shows on white and on black.
FILLS = {"step": "#1d5c63", "input": "#5b4b8a", "output": "#8a4b08"}
GREY = "#7d8590"
FONT = "font-family=\"system-ui, -apple-system, 'Segoe UI', sans-serif\""
HEIGHT = 60
HEAD = 9


@dataclass(frozen=True)
class Box:
    """A filled box with a title and a line below it; x and y are its upper left corner."""

    x: int
    y: int
    title: str
    line: str
    kind: str = "step"
    width: int = 200
    height: int = HEIGHT

    @property
    def right(self) -> int:
        """Return the x of its right side."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """Return the y of its lower side."""
        return self.y + self.height

    @property
    def middle(self) -> tuple[int, int]:
        """Return its middle."""
        return self.x + self.width // 2, self.y + self.height // 2

    def svg(self) -> str:
        """Return the SVG of the box and its text."""
        x, y = self.middle
        return (
            f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="8" '
            f'fill="{FILLS[self.kind]}"/>\n'
            f'<text x="{x}" y="{y - 5}" font-size="21" font-weight="600">{escape(self.title)}</text>\n'
            f'<text x="{x}" y="{y + 18}" font-size="17">{escape(self.line)}</text>'
        )


@dataclass(frozen=True)
class Panel:
    """An outline around boxes, with its name at the lower left."""

    x: int
    y: int
    width: int
    height: int
    title: str

    def svg(self) -> str:
        """Return the SVG of the outline and the name."""
        return (
            f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="10" fill="none" '
            f'stroke="{GREY}" stroke-width="2" stroke-dasharray="6 5"/>\n'
            f'<text x="{self.x + 12}" y="{self.y + self.height - 12}" font-size="18" font-weight="600" fill="{GREY}" '
            f'text-anchor="start">{escape(self.title)}</text>'
        )


@dataclass(frozen=True)
class Arrow:
    """An arrow between two boxes, by the shortest way along at most one corner."""

    start: Box
    end: Box

    def points(self) -> list[tuple[int, int]]:
        """Return where the line begins, turns and ends."""
        (start_x, start_y), (end_x, end_y) = self.start.middle, self.end.middle
        low, high = max(self.start.x, self.end.x), min(self.start.right, self.end.right)
        if low < high:
            x = start_x if low < start_x < high else end_x
            down = self.start.bottom <= self.end.y
            return [(x, self.start.bottom if down else self.start.y), (x, self.end.y if down else self.end.bottom)]
        leftwards = self.end.right <= self.start.x
        side = self.end.right if leftwards else self.end.x
        if start_y == end_y:
            return [(self.start.x if leftwards else self.start.right, start_y), (side, end_y)]
        return [(start_x, self.start.bottom if start_y < end_y else self.start.y), (start_x, end_y), (side, end_y)]

    def svg(self) -> str:
        """Return the SVG of the line and its head."""
        points = self.points()
        (from_x, from_y), (x, y) = points[-2:]
        step_x, step_y = (x > from_x) - (x < from_x), (y > from_y) - (y < from_y)
        back_x, back_y = x - HEAD * step_x, y - HEAD * step_y
        wing_x, wing_y = HEAD * step_y * 2 // 3, HEAD * step_x * 2 // 3
        line = " ".join(f"{a},{b}" for a, b in [*points[:-1], (back_x, back_y)])
        head = f"{x},{y} {back_x + wing_x},{back_y + wing_y} {back_x - wing_x},{back_y - wing_y}"
        return (
            f'<polyline points="{line}" fill="none" stroke="{GREY}" stroke-width="3"/>\n'
            f'<polygon points="{head}" fill="{GREY}"/>'
        )


def draw(
    title: str, text: str, boxes: Iterable[Box], arrows: Iterable[Arrow], width: int, height: int, *panels: Panel
) -> str:
    """Return an SVG file: its title, the same in words for those who can't see it, and its parts."""
    parts = "\n".join(part.svg() for part in [*panels, *arrows, *boxes])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" fill="#fff" text-anchor="middle" {FONT}>\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(text)}</desc>\n{parts}\n</svg>\n"
    )
