"""The mutants that no test can or should tell apart: those of the text of a message, and of a branch that is unreachable.

The program that mutates (mutating.py) imports this by its path, so nothing of the project is imported here.
"""

from collections.abc import Iterator

import libcst as cst

TEXT_NAMES = frozenset({"text", "remedy", "why", "reason", "told"})
"""Variables and keywords that hold a message for a person."""
TEXT_FROM = {
    "note": 3,
    "refuse": 3,
    "add": 2,
    "reject": 2,
    "ignored": 2,
    "ignore": 1,
    "refuse_key": 1,
    "Reason": 1,
    "invalid": 0,
    "Unfit": 0,
}
"""Calls that hand on a message: the position of the first argument that is one."""
_NOT_LOGIC = frozenset({"encoding", "match"})
"""Keywords whose value decides nothing here: every text is UTF-8, also by default."""


class Texts(cst.CSTVisitor):
    """Finds the nodes in which a mutation changes only a message, or a branch that the type checker proves unreachable."""

    def __init__(self) -> None:
        self.nodes: set[int] = set()
        """All nodes below a message."""
        self.arguments: set[int] = set()
        """Arguments that are one."""
        self.unreachable: set[int] = set()
        """Cases of a match that no value reaches."""

    def _mark(self, node: cst.CSTNode) -> None:
        self.nodes |= {id(inner) for inner in _walk(node)}

    def visit_Assign(self, node: cst.Assign) -> None:  # noqa: N802 - libcst's name
        """An assignment to a variable that holds a message."""
        if all(_name(target.target) in TEXT_NAMES for target in node.targets):
            self._mark(node)
        for target in node.targets:  # text, remedy = "...", "..."
            if isinstance(target.target, cst.Tuple) and isinstance(node.value, cst.Tuple):
                for name, value in zip(target.target.elements, node.value.elements, strict=False):
                    if _name(name.value) in TEXT_NAMES:
                        self._mark(value)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:  # noqa: N802
        """More text for such a variable."""
        if _name(node.target) in TEXT_NAMES:
            self._mark(node)

    def visit_Raise(self, node: cst.Raise) -> None:  # noqa: N802
        """The message of an error is its first argument, whatever the class."""
        if isinstance(node.exc, cst.Call):
            self._arguments(node.exc, 0, positions=1)

    def visit_Call(self, node: cst.Call) -> None:  # noqa: N802
        """A call that hands a message on."""
        name = _name(node.func)
        if name == "assert_never":
            self._mark(node)
        self._arguments(node, TEXT_FROM.get(name, len(node.args)))

    def visit_MatchCase(self, node: cst.MatchCase) -> None:  # noqa: N802
        """`case _: assert_never(...)`: mypy proves that no value gets there."""
        if any(isinstance(inner, cst.Call) and _name(inner.func) == "assert_never" for inner in _walk(node.body)):
            self.unreachable.add(id(node))
            self._mark(node)

    def _arguments(self, call: cst.Call, first: int, *, positions: int = 99) -> None:
        for position, argument in enumerate(call.args):
            keyword = argument.keyword.value if argument.keyword else None
            is_text = keyword in TEXT_NAMES | _NOT_LOGIC if keyword else first <= position < first + positions
            if is_text:
                self.arguments.add(id(argument))
                self._mark(argument)


def _walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _name(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""


def counts(texts: Texts, original: cst.CSTNode, mutated: cst.CSTNode) -> bool:
    """Whether a mutation changes more than a message and more than what is unreachable."""
    if id(original) in texts.nodes:
        return False
    if isinstance(original, cst.Call) and isinstance(mutated, cst.Call):
        changed = {id(argument) for argument in original.args} - {id(argument) for argument in mutated.args}
        return not changed or not changed <= texts.arguments
    if isinstance(original, cst.Match) and isinstance(mutated, cst.Match):
        return not {id(case) for case in original.cases} - {id(case) for case in mutated.cases} <= texts.unreachable
    return True
