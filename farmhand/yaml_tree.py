"""File → Tree: plain data with the line of every key, merged and expanded. Reads files only."""

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

import yaml

from farmhand.errors import BadInput
from farmhand.files import is_open_to_others
from farmhand.validation import KeyPath, Place, Problem, refuse

MAX_BYTES = 4 * 2**20
MAX_DEPTH = 50  # libyaml recurses per level without a check and slows down with its square
MAX_VALUES = 100_000  # what aliases may expand to; production's whole farm is about 2,000
TAG = "tag:yaml.org,2002:"
TEXT_TAGS = {TAG + kind for kind in ("str", "timestamp", "value")}
NUMBER_TAGS = {TAG + kind for kind in ("int", "float", "bool", "null")}
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
VARIABLE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|\$\{")

_Pairs = dict[str, tuple[yaml.Node, yaml.Node]]


@dataclass(frozen=True, slots=True)
class Tree:
    """A file as plain data, with the place of every key path."""

    data: dict[str, Any]
    places: Mapping[KeyPath, Place]

    def place(self, path: KeyPath) -> Place:
        """Return where a path stands, or for a missing key where the mapping around it does."""
        return self.places[path] if path in self.places else self.place(path[:-1])

    def refuse(self, problems: Iterable[Problem]) -> None:
        """Raise BadInput with one line per problem, in the file's order, if there is any."""
        refuse((self.place(problem.path), problem) for problem in problems)


def read_text(path: Path, *, secret: bool = False) -> str:
    """Read a UTF-8 file; a secret one must be closed to others.

    Raises: BadInput, one line.
    """
    try:
        with path.open("rb") as file:
            if secret and is_open_to_others(file):
                raise BadInput(f"{path}: holds secrets and others can read it; chmod 600 {path}")
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError as err:
        raise BadInput(f"{path}: no such file") from err
    except IsADirectoryError as err:
        raise BadInput(f"{path}: is a directory, not a file") from err
    except OSError as err:
        raise BadInput(f"{path}: can't be read: {err.strerror}") from err
    if len(raw) > MAX_BYTES:
        raise BadInput(f"{path}: is larger than {MAX_BYTES:,} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = raw[: err.start].count(b"\n") + 1
        raise BadInput(f"{path}:{line}: is not UTF-8 text") from err


def read_yaml(path: Path, *, secret: bool = False) -> Tree:
    """Read a YAML mapping, safely: no tags, no repeated keys, aliases within bounds.

    Raises: BadInput.
    """
    text = read_text(path, secret=secret)
    reader = _YamlReader(str(path))
    root = reader.compose(text)
    if root is None:
        raise BadInput(f"{path}: the file is empty")
    if not isinstance(root, yaml.MappingNode):
        raise BadInput(f"{Place(str(path), 1)}: expected a mapping (`key: value` lines) at the top")
    data = reader.plain(root, (), ())
    refuse(reader.problems.values())
    return Tree(cast("dict[str, Any]", data), {(): Place(str(path), 1), **reader.places})


class _YamlReader:
    """Turns one file's nodes into plain data, remembering lines and what is wrong with them."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.places: dict[KeyPath, Place] = {}
        self.problems: dict[tuple[int, int], tuple[Place, Problem]] = {}
        self._values_left = MAX_VALUES
        self._scalars = yaml.constructor.SafeConstructor()

    def compose(self, text: str) -> yaml.Node | None:
        """Parse one document; error texts of the parser are cut where they would quote the file."""
        try:
            depth = 0
            for event in yaml.parse(text, LOADER):
                depth += isinstance(event, yaml.CollectionStartEvent)
                depth -= isinstance(event, yaml.CollectionEndEvent)
                if depth > MAX_DEPTH:
                    self._stop(
                        event.start_mark.line if event.start_mark else 0,
                        f"nested deeper than {MAX_DEPTH} levels",
                    )
            return yaml.compose(text, LOADER)
        except yaml.MarkedYAMLError as err:
            lines = text.splitlines()  # what is never closed is missed only after the last
            marks = [mark for mark in (err.problem_mark, err.context_mark) if mark]
            line = next((mark.line for mark in marks if mark.line < len(lines)), 0)
            self._stop(line, f"not valid YAML: {_said(err, lines)}")
        except yaml.reader.ReaderError as err:
            place = Place(self.file, text.count("\n", 0, err.position) + 1)
            raise BadInput(f"{place}: not valid YAML: a control character") from err

    def plain(self, node: yaml.Node, path: KeyPath, above: tuple[yaml.Node, ...]) -> object:
        """Return a node's plain value; `above` are the nodes around it."""
        self._count(node, above)
        inside = (*above, node)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{TAG}map":
            pairs = self._pairs(node, path, above)
            self._mark(path, {key: pair[0] for key, pair in pairs.items()})
            return {key: self.plain(pair[1], (*path, key), inside) for key, pair in pairs.items()}
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{TAG}seq":
            self._mark(path, dict(enumerate(node.value)))
            return [self.plain(each, (*path, i), inside) for i, each in enumerate(node.value)]
        return self._scalar(node, path)

    def _pairs(self, node: yaml.MappingNode, path: KeyPath, above: tuple[yaml.Node, ...]) -> _Pairs:
        """Return key → nodes; own keys win over merged ones, earlier merges over later."""
        own: _Pairs = {}
        merged: _Pairs = {}
        for key_node, value in node.value:
            self._count(key_node, above)
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in own:
                first = own[key][0].start_mark.line + 1
                self._add(key_node, (*path, key), f"this key already stands in line {first}")
            own[key] = (key_node, value)
            if key_node.tag == f"{TAG}merge":
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    merged = {**self._merged(source, path, (*above, node)), **merged}
        return {
            **merged,
            **{key: pair for key, pair in own.items() if pair[0].tag != f"{TAG}merge"},
        }

    def _merged(self, source: yaml.Node, path: KeyPath, above: tuple[yaml.Node, ...]) -> _Pairs:
        if isinstance(source, yaml.MappingNode):
            self._count(source, above)
            return self._pairs(source, path, above)
        self._add(source, path, "<< needs a mapping, such as an alias: `<<: *name`")
        return {}

    def _key(self, node: yaml.Node, path: KeyPath) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag in {*TEXT_TAGS, f"{TAG}merge"}:
            return str(node.value)
        if isinstance(node, yaml.ScalarNode) and node.tag in NUMBER_TAGS:
            kind = node.tag.removeprefix(TAG)
            self._add(
                node, path, f'YAML reads the key {node.value} as {kind}; quote it: "{node.value}"'
            )
        else:
            self._add(node, path, "a key must be text; quote it")
        return None

    def _scalar(self, node: yaml.Node, path: KeyPath) -> object:
        if isinstance(node, yaml.ScalarNode) and node.tag in TEXT_TAGS:
            return node.value
        if isinstance(node, yaml.ScalarNode) and node.tag in NUMBER_TAGS:
            try:
                return self._scalars.construct_object(node)
            except (ValueError, KeyError):
                self._add(node, path, "not a number; quote it if it is text")
        else:
            self._add(node, path, "YAML tags are not used here; quote text that starts with !")
        return None

    def _mark(self, path: KeyPath, nodes: Mapping[Any, yaml.Node]) -> None:
        for key, node in nodes.items():
            self.places[(*path, key)] = Place(self.file, node.start_mark.line + 1)

    def _add(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        mark = node.start_mark  # an anchor's problem is told once, however many aliases it has
        problem = Problem(path, message)
        self.problems.setdefault(
            (mark.line, mark.column), (Place(self.file, mark.line + 1), problem)
        )

    def _count(self, node: yaml.Node, above: tuple[yaml.Node, ...]) -> None:
        self._values_left -= 1
        if self._values_left < 0:
            self._stop(node.start_mark.line, f"its aliases make more than {MAX_VALUES:,} values")
        if isinstance(node, yaml.CollectionNode) and any(node is each for each in above):
            self._stop(
                node.start_mark.line, "an alias of this value stands inside the value itself"
            )

    def _stop(self, line: int, message: str) -> NoReturn:
        raise BadInput(f"{Place(self.file, line + 1)}: {message}") from None


def _said(err: yaml.MarkedYAMLError, lines: list[str]) -> str:
    """Tell the parser's complaint, without the words it quotes: they may be a secret."""
    mark = err.problem_mark
    before = lines[mark.line : mark.line + 1] if mark else []
    if mark and any("\t" in line[: mark.column + 1] for line in before):
        return "a tab; indent with spaces"
    if "another document" in (err.problem or ""):
        return "a second document begins here (---)"
    quoted = re.compile(r" *(['\"])(.*?)\1")
    said = quoted.sub(lambda found: found[0] if len(found[2]) < 2 else "", err.problem or "")
    return f"{said}; is there text that needs quotes?"


def merge(tree: Tree, secrets: Tree) -> Tree:
    """Put the secrets into the file's data.

    Raises: BadInput where both set a key.
    """
    problems = []

    def merge_at(path: KeyPath, ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
        merged = {**theirs, **ours}
        for key in theirs.keys() & ours.keys():
            below = (*path, key)
            if isinstance(ours[key], dict) and isinstance(theirs[key], dict):
                merged[key] = merge_at(below, ours[key], theirs[key])
            else:
                problems.append(Problem(below, f"is also set in {tree.place(below)}"))
        return merged

    data = merge_at((), tree.data, secrets.data)
    secrets.refuse(problems)
    return Tree(data, {**secrets.places, **tree.places})


@dataclass(frozen=True, slots=True)
class Expanded:
    """A file with its variables replaced, and path → the variable that is not set."""

    tree: Tree
    unset: Mapping[KeyPath, str]

    def unset_problems(self, ignored: Container[object]) -> list[Problem]:
        """Return a problem for each unset variable outside the ignored sections."""
        return [
            Problem(path, f"the environment variable {name} is not set")
            for path, name in self.unset.items()
            if path[0] not in ignored
        ]

    def is_unset(self, path: KeyPath) -> bool:
        """Tell whether the value at a path, or around it, lacks its variable."""
        return any(path[: len(unset)] == unset for unset in self.unset)


def expand(tree: Tree, environ: Mapping[str, str]) -> Expanded:
    """Replace `${NAME}` in every value and `$${` by `${`; what comes in is not looked at again."""
    unset: dict[KeyPath, str] = {}
    problems = []

    def expand_text(text: str, path: KeyPath) -> str:
        def replacement(found: re.Match[str]) -> str:
            name = found["name"]
            if found[0] == "$${":
                return "${"
            if name is None:
                problems.append(Problem(path, "expected ${NAME}; a literal ${ is written $${"))
            elif name not in environ:
                unset[path] = name
            return environ.get(name or "", "")

        return VARIABLE.sub(replacement, text)

    def expand_at(value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            return {key: expand_at(each, (*path, key)) for key, each in value.items()}
        if isinstance(value, list):
            return [expand_at(each, (*path, i)) for i, each in enumerate(value)]
        return expand_text(value, path) if isinstance(value, str) else value

    data = expand_at(tree.data, ())
    tree.refuse(problems)
    return Expanded(Tree(data, tree.places), unset)
