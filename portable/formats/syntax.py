"""The sentences of libyaml, in words that need no knowledge of its parser."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    pass

# What libyaml says, in words that need no knowledge of its parser: text, remedy.
SYNTAX: Final = (
    (
        "mapping values are not allowed",
        "a `:` stands where no key can be",
        "check the indentation; a value that contains `: ` needs quotes",
    ),
    ("block sequence entries are not allowed", "a `-` stands where no list can begin", "begin the list on a line of its own"),
    ("could not find expected ':'", "a key without a `:`", "write `key: value`, and check the indentation"),
    (
        "did not find expected key",
        "this fits nowhere: a key of the mapping above was expected",
        "check the indentation, and the quotes before",
    ),
    ("did not find expected '-' indicator", "this is no item of the list above", "check the indentation"),
    ("did not find expected ',' or ']'", "the list in brackets is not closed", "add `]`, or a `,` between items"),
    ("did not find expected ',' or '}'", "the mapping in braces is not closed", "add `}`, or a `,` between entries"),
    ("did not find expected node content", "a value is missing here", "close the bracket or brace, or write the value"),
    ("found unexpected end of stream", "the file ends inside a quoted text", "close the quotes"),
    ("found invalid Unicode character escape", "a `\\u` escape that is no character", "write the character itself"),
    ("found unknown escape character", "an unknown `\\` sequence in a text in double quotes", "double the `\\`, or use single quotes"),
    ("did not find expected <document start>", "this is outside the mapping that the file begins with", "check the indentation"),
    ("found undefined tag handle", "a value begins with an unknown `!` tag", "remove it, or put the value in quotes"),
    ("did not find expected alphabetic or numeric", "a name must follow `&` or `*`", "put a text that begins so in quotes"),
    ("did not find expected tag URI", "a tag must follow `!`", "put a text that begins so in quotes"),
    ("did not find expected comment or line break", "only a line break can follow `|` or `>`", "put a text that begins so in quotes"),
    ("found incompatible YAML document", "the file asks for a version of YAML that is unknown here", "remove the %YAML line"),
)

UNKNOWN_SYNTAX: Final = "check the indentation, quotes and brackets of this line and of those before it"
"""The remedy for a sentence that is not in the table, such as one of a newer libyaml."""
