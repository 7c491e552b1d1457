"""A command line out of typed functions.

A verb is a function whose positional-only parameters become arguments and whose keyword parameters become
options; annotations give the types, `Annotated[..., Option(...)]` the help. So one function serves Python
and the shell.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, NoReturn, Union

from pdfgc.errors import InputError
from pdfgc.wording import nearest

Verb = Callable[..., None]


@dataclass(frozen=True)
class Option:
    """How a parameter shows on the command line."""

    help: str
    metavar: str | None = None
    """What stands for the value in the help."""
    short: str | None = None
    """A one-letter spelling such as `-o`."""
    group: str | None = None
    """The heading of the help under which it stands."""


@dataclass(frozen=True)
class Group:
    """Verbs of two words that share the first."""

    help: str
    verbs: Mapping[str, Verb]


@dataclass(frozen=True)
class Call:
    """A verb and what the command line gives it."""

    function: Verb
    positional: list[Any]
    keywords: dict[str, Any]
    quiet: bool

    def run(self) -> None:
        """Calls the function."""
        self.function(*self.positional, **self.keywords)


def parse(
    prog: str, description: str, verbs: Mapping[str, Verb | Group], argv: list[str], version: str
) -> Call:
    """Reads a command line.

    Args:
        prog: the program's name.
        description: what stands at the top of `--help`.
        verbs: function or group by name.
        argv: the words after the program's name.
        version: what `--version` prints.

    Returns:
        The call that the words ask for.

    Raises:
        InputError: the words do not fit; the message says where.
        SystemExit: after `--help` and `--version`, with status 0.
    """
    root = _Parser(prog=prog, description=description)
    root.add_argument("--version", action="version", version=f"{prog} {version}")
    root.add_argument("-q", "--quiet", action="store_true", dest="quiet_first", help="as after the verb")
    branches = root.add_subparsers(title="verbs", metavar="VERB", required=True, dest="verb")
    for name, verb in verbs.items():
        if isinstance(verb, Group):
            branch = branches.add_parser(name, help=verb.help, description=verb.help)
            twigs = branch.add_subparsers(title="verbs", metavar="VERB", required=True, dest="verb")
            for inner, function in verb.verbs.items():
                _add_verb(twigs, inner, function)
        else:
            _add_verb(branches, name, verb)
    values, unknown = root.parse_known_args(argv)
    if unknown:
        raise InputError(_unknown(unknown, values.parser))
    positional = [getattr(values, name) for name in values.positional]
    keywords = {name: getattr(values, name) for name in values.keywords}
    return Call(values.function, positional, keywords, values.quiet or values.quiet_first)


class _Parser(argparse.ArgumentParser):
    """argparse with one-sentence errors and no abbreviated options."""

    def __init__(self, **settings: Any) -> None:
        self._words: list[str] = []
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it, with the pairs of lists told from other words; keeps the words for `error`."""
        self._words = self._name_pairs(list(args or ()))
        return super().parse_known_args(self._words, namespace)

    def _name_pairs(self, words: list[str]) -> list[str]:
        """`--set a=1 b=2 FILE` as `--set=a=1 --set=b=2 FILE`; argparse would take the file for a pair.

        Raises:
            InputError: the word after such an option is no pair.
        """
        lists = {
            flag: action.metavar
            for action in self._actions
            if _holds_pairs(action)
            for flag in action.option_strings
        }
        named: list[str] = []
        flag = None
        for number, word in enumerate(words):
            if word == "--":
                return named + words[number:]
            if flag is not None and "=" in word and not word.startswith("-"):
                if named[-1] == flag:
                    named.pop()
                named.append(f"{flag}={word}")
                continue
            if named and named[-1] in lists and not word.startswith("-"):
                raise InputError(f"{self.prog} expects {lists[named[-1]]} after {named[-1]}, not {word}")
            flag = next((name for name in lists if word == name or word.startswith(f"{name}=")), None)
            named.append(word)
        return named

    def error(self, message: str) -> NoReturn:
        """Raises the complaint instead of printing the usage before it.

        An option that is missing was often only misspelt, and argparse looks at what is missing first.
        """
        flags = [flag for action in self._actions for flag in action.option_strings]
        before = list(takewhile(lambda word: word != "--", self._words))  # what follows are no options
        unknown = [word for word in before if word.startswith("--") and word.split("=")[0] not in flags]
        if unknown and message.startswith("the following arguments are required"):
            raise InputError(_unknown(unknown, self))
        verbs = next((a for a in self._actions if isinstance(a, argparse._SubParsersAction)), None)
        if verbs is not None and message.startswith("the following arguments are required"):
            raise InputError(
                f"{self.prog} expects a verb: {', '.join(verbs.choices)} (see {self.prog} --help)"
            )
        raise InputError(f"{message} (see {self.prog} --help)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Complains, in place of argparse's list of everything, of a word that is none of the choices."""
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        if isinstance(action, argparse._SubParsersAction):
            what, otherwise = f"the verb {value}", f" (see {self.prog} --help)"
        else:
            name = "/".join(action.option_strings) or action.dest
            what, otherwise = f"{value} as {name}", f"; choose from {', '.join(known)}"
        near = nearest(str(value), known)
        hint = f"; did you mean {near}?" if near else otherwise
        raise InputError(f"{self.prog} does not know {what}{hint}")


def _add_verb(branches: Any, name: str, function: Verb) -> None:
    parser = branches.add_parser(name, help=_literal(_summary(function)), description=_description(function))
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bars, no remarks")
    hints = typing.get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {}
    positional: list[str] = []
    keywords: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        kind, option = _split(hints[parameter.name])
        if option.group is None:
            where = parser
        else:
            if option.group not in groups:
                groups[option.group] = parser.add_argument_group(option.group)
            where = groups[option.group]
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            positional.append(parameter.name)
            where.add_argument(parameter.name, **_positional_settings(parameter, kind, option))
        else:
            keywords.append(parameter.name)
            flag = "--" + parameter.name.rstrip("_").replace("_", "-")
            flags = [option.short, flag] if option.short else [flag]
            where.add_argument(*flags, dest=parameter.name, **_option_settings(parameter, kind, option))
    parser.set_defaults(function=function, positional=positional, keywords=keywords, parser=parser)


def _split(hint: Any) -> tuple[Any, Option]:
    """The bare type of an annotation, `None` taken out of unions, and its `Option`."""
    option = Option("")
    if typing.get_origin(hint) is typing.Annotated:
        hint, *extras = typing.get_args(hint)
        option = next(extra for extra in extras if isinstance(extra, Option))
    if typing.get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    return hint, option


def _positional_settings(parameter: inspect.Parameter, kind: Any, option: Option) -> dict[str, Any]:
    settings = _type_settings(kind) | {"help": _literal(option.help)}
    if "choices" not in settings:
        settings["metavar"] = option.metavar or parameter.name.upper()
    if parameter.default is not inspect.Parameter.empty:
        settings = {"nargs": "?"} | settings | {"default": parameter.default}
    return settings


def _option_settings(parameter: inspect.Parameter, kind: Any, option: Option) -> dict[str, Any]:
    required = parameter.default is inspect.Parameter.empty
    default = None if required else parameter.default
    if kind is bool:
        return {"action": "store_true", "help": _literal(option.help)}
    settings = _type_settings(kind)
    if "nargs" in settings:
        settings["nargs"] = "+"  # a list that is named has something in it
    text = option.help if default in (None, ()) else f"{option.help} (default: {default})"
    if "choices" not in settings:
        settings["metavar"] = option.metavar or parameter.name.rstrip("_").upper()
    return settings | {"help": _literal(text), "required": required, "default": default}


def _literal(text: str) -> str:
    """Help text as argparse wants it, which takes `%` for a format."""
    return text.replace("%", "%%")


def _holds_pairs(action: argparse.Action) -> bool:
    """Whether an option takes any number of words such as KEY=VALUE."""
    return isinstance(action, _Extend) and "=" in str(action.metavar or "")


class _Extend(argparse.Action):
    """Collects the words of `--set a=1 b=2 --set c=3` into one tuple."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Adds this occurrence's words to those before it."""
        setattr(namespace, self.dest, (*(getattr(namespace, self.dest) or ()), *values))


def _type_settings(kind: Any) -> dict[str, Any]:
    origin = typing.get_origin(kind)
    if origin is Literal:
        return {"choices": typing.get_args(kind)}
    if origin is tuple:
        return {"nargs": "*", "action": _Extend, "type": _converter(typing.get_args(kind)[0])}
    return {"type": _converter(kind)}


_WORDS = {int: "a whole number", float: "a number", Fraction: "a number such as 25 or 30000/1001"}


def _converter(kind: Any) -> Callable[[str], Any]:
    if kind in (str, Path):
        return typing.cast(Callable[[str], Any], kind)

    def convert(text: str) -> Any:
        try:
            return kind(text)
        except (ValueError, ZeroDivisionError) as error:
            raise argparse.ArgumentTypeError(f"expected {_WORDS[kind]}, but got {text!r}") from error

    return convert


def _unknown(words: list[str], parser: argparse.ArgumentParser) -> str:
    word = words[0]
    known = [flag for action in parser._actions for flag in action.option_strings]
    what = "option" if word.startswith("-") else "argument"
    near = nearest(word.split("=")[0], known) if what == "option" else None
    hint = f"; did you mean {near}?" if near else f" (see {parser.prog} --help)"
    return f"{parser.prog} does not know the {what} {word}{hint}"


def _summary(function: Verb) -> str:
    return (inspect.getdoc(function) or "").split("\n", 1)[0].rstrip(".")


def _description(function: Verb) -> str:
    """The docstring as far as it speaks to both readers: up to its `Raises:` section."""
    return (inspect.getdoc(function) or "").split("\n\nRaises:", 1)[0]


def complain(prog: str, message: str) -> None:
    """Writes one sentence, on one line, to standard error."""
    sys.stderr.write(f"{prog}: {' '.join(message.split())}\n")
