"""Texts that others wrote are words on a terminal, and command it nothing."""

import io

import pytest
from rich.table import Table

from netra_apex.answer_view import RunFollower, show_report
from netra_apex.errors import describe
from netra_apex.printable import printable
from netra_apex.terminal import Terminal
from netra_apex.tests.unit.test_run_follower import event, piece
from netra_client import RunView
from netra_core.errors import ApexError

EVIL = "sup\x1b]0;gone\x07port\x1b[2J\x9b31m\r\u202echat"
WORDS = "sup]0;goneport[2J31mchat"


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def terminal(said: io.StringIO) -> Terminal:
    return Terminal(file=said, force_terminal=True, width=80, color_system=None, highlight=False)


def test_what_agents_say_and_write_commands_no_terminal(
    terminal: Terminal, said: io.StringIO
) -> None:
    run = RunView("r")
    with RunFollower(terminal, run) as follower:
        follower.take(event(1, "agent_started", message=EVIL, parent_agent=None))
        follower.take(event(2, "agent_thinking", thought=EVIL, step_number=1))
        follower.take(piece(0, EVIL))
        follower.take(event(3, "agent_error", message=EVIL, code="X"))
    assert said.getvalue().count(WORDS) >= 4
    for command in ("\x07", "\x9b", "\u202e", "\x1b]", "\x1b[2J"):
        assert command not in said.getvalue()


def test_a_report_and_a_table_of_names_that_others_chose_command_no_terminal(
    terminal: Terminal, said: io.StringIO
) -> None:
    run = RunView("r")
    columns = [{"key": "f", "label": EVIL}]
    tables = [{"title": EVIL, "columns": columns, "rows": [{"f": EVIL}]}]
    run.report = {"headline": EVIL, "summary": [EVIL], "next_steps": [EVIL], "tables": tables}
    show_report(terminal, run)
    names = Table()
    names.add_column("feature")
    names.add_row(EVIL)
    terminal.print(names)
    assert said.getvalue().count(WORDS) >= 6
    assert printable(said.getvalue()) == said.getvalue()


def test_an_error_that_names_something_commands_no_terminal() -> None:
    assert describe(ApexError(EVIL)) == f"{printable(EVIL.replace(chr(13), ' '))} [APX-000]"
