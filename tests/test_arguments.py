"""The command line made from typed functions."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from pdfgc.arguments import Call, Group, Option, parse
from pdfgc.errors import InputError


def cook(
    dish: Annotated[Path, Option("what to cook")],
    guests: Annotated[tuple[str, ...], Option("who eats", "NAME")] = (),
    /,
    *,
    output: Annotated[Path, Option("the plate", "PLATE", "-o")],
    heat: Annotated[Literal["low", "high"], Option("how hot", group="the stove")] = "low",
    minutes: Annotated[int | None, Option("how long, 100% done")] = None,
    rate: Annotated[Fraction, Option("turns a minute")] = Fraction(25),
    stir: Annotated[bool, Option("stir it")] = False,
    set_: Annotated[tuple[str, ...], Option("spices", "KEY=VALUE")] = (),
) -> None:
    """Cooks a dish.

    It may take a while.

    Raises:
        InputError: it burns.
    """


def wash() -> None:
    """Washes up."""


def read(*words: str) -> Call:
    return parse(
        "kitchen", "A kitchen.", {"cook": cook, "sink": Group("The sink", {"wash": wash})}, list(words), "1.0"
    )


def keywords(*words: str) -> dict[str, Any]:
    return read("cook", "soup", "-o", "plate", *words).keywords


def test_positional_and_keyword_parameters() -> None:
    call = read("cook", "soup", "ann", "bob", "--output", "plate")
    assert call.function is cook
    assert call.positional == [Path("soup"), ("ann", "bob")]
    assert call.keywords["output"] == Path("plate")
    assert not call.quiet


def test_defaults_are_those_of_the_function() -> None:
    given = keywords()
    assert given["heat"] == "low"
    assert given["minutes"] is None
    assert given["rate"] == Fraction(25)
    assert given["stir"] is False
    assert given["set_"] == ()


def test_types() -> None:
    given = keywords("--minutes", "3", "--rate", "30000/1001", "--stir", "--heat=high")
    assert (given["minutes"], given["rate"]) == (3, Fraction(30000, 1001))
    assert (given["stir"], given["heat"]) == (True, "high")


def test_a_list_may_be_given_at_once_or_in_pieces() -> None:
    assert keywords("--set", "a=1", "b=2", "--set", "c=3")["set_"] == ("a=1", "b=2", "c=3")


def test_a_list_of_pairs_ends_at_the_first_word_that_is_none() -> None:
    call = read("cook", "-o", "plate", "--set", "a=1", "b=2", "soup", "ann=1", "bob")
    assert call.keywords["set_"] == ("a=1", "b=2")
    assert call.positional == [Path("soup"), ("ann=1", "bob")]
    after = read("cook", "-o", "plate", "--set", "a=1", "--", "b=2", "ann")
    assert after.keywords["set_"] == ("a=1",)
    assert after.positional == [Path("b=2"), ("ann",)]


def test_verbs_of_two_words_and_quiet() -> None:
    call = read("sink", "wash", "-q")
    assert call.function is wash
    assert call.quiet


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["boil"], "kitchen does not know the verb boil (see kitchen --help)"),
        (["coook"], "kitchen does not know the verb coook; did you mean cook?"),
        ([], "kitchen expects a verb: cook, sink (see kitchen --help)"),
        (["sink"], "kitchen sink expects a verb: wash (see kitchen sink --help)"),
        (["sink", "wish"], "kitchen sink does not know the verb wish; did you mean wash?"),
        (["cook", "soup"], "-o/--output"),
        (
            ["cook", "soup", "--outptu", "x"],
            "kitchen cook does not know the option --outptu; did you mean --output?",
        ),
        (["cook", "soup", "--out=x"], "the option --out=x; did you mean --output?"),
        (["cook", "-o", "x"], "DISH"),
        (
            ["cook", "soup", "-o", "x", "--heat", "mild"],
            "kitchen cook does not know mild as --heat; choose from low, high",
        ),
        (["cook", "soup", "-o", "x", "--heat", "hihg"], "as --heat; did you mean high?"),
        (["cook", "soup", "-o", "x", "--minutes", "few"], "expected a whole number, but got 'few'"),
        (["cook", "soup", "-o", "x", "--rate", "1/0"], "expected a number such as 25"),
        (["cook", "soup", "-o", "x", "--hat", "low"], "the option --hat; did you mean --heat?"),
        (["cook", "soup", "-o", "x", "--hea", "low"], "the option --hea; did you mean --heat?"),
        (["cook", "soup", "-o", "x", "--zzz"], "see kitchen cook --help"),
        (["sink", "wash", "--wet"], "kitchen sink wash does not know the option --wet"),
    ],
)
def test_complaints_are_one_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        read(*words)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_help_shows_groups_defaults_and_no_developer_sections(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read("cook", "--help")
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for text in ("Cooks a dish.", "It may take a while.", "the stove", "how hot (default: low)", "100% done"):
        assert text in shown
    assert "Raises" not in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read("--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out == "kitchen 1.0\n"


def test_a_list_that_is_named_has_something_in_it() -> None:
    with pytest.raises(InputError, match="--set: expected at least one argument"):
        keywords("--set")


def test_a_list_of_pairs_goes_on_however_it_begins() -> None:
    assert keywords("--set=a=1", "b=2", "--stir")["set_"] == ("a=1", "b=2")


def test_a_word_that_is_no_pair_is_named() -> None:
    with pytest.raises(InputError, match="kitchen cook expects KEY=VALUE after --set, not soup"):
        read("cook", "-o", "plate", "--set", "soup")
