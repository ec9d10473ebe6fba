"""Messages of libyaml, in words that need no knowledge of its parser."""

from typing import Final

from portable.model.codes import Code

SYNTAX: Final[tuple[tuple[str, Code, str, str], ...]] = (
    (
        "mapping values are not allowed",
        "yaml.indentation",
        "a key is not allowed here, but a `:` follows",
        "check the indentation; put a value that contains `: ` in quotes",
    ),
    (
        "block sequence entries are not allowed",
        "yaml.indentation",
        "a list cannot begin here",
        "begin the list on a line of its own",
    ),
    ("could not find expected ':'", "yaml.indentation", "this key has no `:`", "write `key: value`, and check the indentation"),
    (
        "did not find expected key",
        "yaml.indentation",
        "expected another key of the mapping above",
        "check the indentation, and the quotes before this line",
    ),
    ("did not find expected '-' indicator", "yaml.indentation", "expected another item of the list above", "check the indentation"),
    ("did not find expected <document start>", "yaml.indentation", "this line is outside the first mapping", "check the indentation"),
    ("did not find expected ',' or ']'", "yaml.unclosed", "the list in brackets is not closed", "add `]`, or a `,` between items"),
    ("did not find expected ',' or '}'", "yaml.unclosed", "the mapping in braces is not closed", "add `}`, or a `,` between entries"),
    ("did not find expected node content", "yaml.unclosed", "a value is missing here", "close the bracket or brace, or write the value"),
    ("found unexpected end of stream", "yaml.unclosed", "the file ends inside a quoted text", "close the quotes"),
    (
        "found invalid Unicode character escape",
        "yaml.escape",
        "this `\\u` escape is not a valid character",
        "write the character itself",
    ),
    (
        "found unknown escape character",
        "yaml.escape",
        "unknown escape sequence in a text in double quotes",
        "double the `\\`, or use single quotes",
    ),
    ("found undefined tag handle", "yaml.tag", "the value begins with an unknown `!` tag", "remove it, or put the value in quotes"),
    ("did not find expected tag URI", "yaml.tag", "a tag must follow `!`", "put text that begins with `!` in quotes"),
    (
        "did not find expected alphabetic or numeric",
        "yaml.alias",
        "a name must follow `&` or `*`",
        "put text that begins with `&` or `*` in quotes",
    ),
    (
        "did not find expected comment or line break",
        "yaml.special-character",
        "only a line break can follow `|` or `>`",
        "put text that begins with `|` or `>` in quotes",
    ),
    ("found incompatible YAML document", "yaml.version", "the file requires an unsupported version of YAML", "remove the %YAML line"),
)
"""By a part of libyaml's message: code, text and remedy of the mistake."""

UNKNOWN_SYNTAX: Final = "check the indentation, quotes and brackets of this line and of the lines before it"
"""The remedy for a message that is not in the table, for example one of a newer libyaml."""
