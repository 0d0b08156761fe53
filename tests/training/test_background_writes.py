"""Files that a thread writes: in order, with their errors, none lost."""

from threading import Event

import pytest

from static_gesture_classification.errors import OutputError
from static_gesture_classification.training.background_writes import BackgroundWrites


def test_what_is_asked_for_is_written_in_order_while_the_caller_goes_on() -> None:
    writes, may_go_on, written = BackgroundWrites(), Event(), list[str]()
    writes.ask(may_go_on.wait)
    for name in ("best", "last"):
        writes.ask(lambda name=name: written.append(name))
    assert written == []
    may_go_on.set()
    writes.wait()
    assert written == ["best", "last"]
    writes.close()


def test_after_a_failure_nothing_is_written_until_it_has_been_told() -> None:
    writes, written = BackgroundWrites(), list[str]()

    def fail() -> None:
        raise OutputError("the disk is full")

    writes.ask(fail)
    writes.ask(lambda: written.append("sweep"))
    with pytest.raises(OutputError, match="the disk is full"):
        writes.wait()
    assert written == []
    writes.ask(lambda: written.append("again"))
    writes.wait()
    assert written == ["again"]
    writes.close()
    writes.close()
