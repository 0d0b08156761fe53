import pytest

from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary


def test_class_index_is_the_position_in_the_vocabulary() -> None:
    vocabulary = Vocabulary(("NONE", "A", "B"), "NONE")
    assert vocabulary.indices(["B", "NONE"]) == [2, 0]


def test_unknown_gesture_is_an_error_that_lists_the_vocabulary() -> None:
    with pytest.raises(UserError, match="unknown gesture 'C'; the vocabulary is A, B"):
        Vocabulary(("A", "B")).index("C")


@pytest.mark.parametrize(
    ("names", "background", "message"),
    [
        (("A", "B", "A"), None, "lists A more than once"),
        (("A",), None, "at least two"),
        (("A", "B"), "C", "gestures.background is 'C'"),
    ],
)
def test_unusable_vocabulary_is_refused(names: tuple[str, ...], background: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Vocabulary(names, background)


@pytest.mark.parametrize("name", [True, False, 1, 1e5, None])
@pytest.mark.parametrize("setting", ["names", "background"])
def test_gesture_that_is_no_text_is_an_error_that_asks_for_quotes(name: object, setting: str) -> None:
    config = {"names": ["ONE", "TWO"], "background": "ONE"} | {setting: ["ONE", name] if setting == "names" else name}
    if setting == "background" and name is None:
        assert Vocabulary.from_mapping(config).background is None
        return
    with pytest.raises(
        UserError, match=rf"gestures\.{setting} has {name!r}, which is no text .*; put the name in quotes"
    ):
        Vocabulary.from_mapping(config)


def test_names_that_are_no_list_are_an_error() -> None:
    with pytest.raises(UserError, match=r"gestures\.names is 'ONE', which is no list"):
        Vocabulary.from_mapping({"names": "ONE"})
