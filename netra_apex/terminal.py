"""A console on which texts are words only: none of them commands the terminal."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from netra_apex.printable import COMMANDS, printable


class Terminal(Console):
    """A Console that leaves out what a text holds to command the terminal.

    Names of features and models, titles and answers are data of whoever sent the calls. Styles and
    moves of the cursor that the console makes itself are as ever.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """See Console."""
        for segment in super().render(renderable, options):
            if segment.control is None and COMMANDS.search(segment.text):
                yield Segment(printable(segment.text), segment.style)
            else:
                yield segment
