"""The plan as a picture: what shares a network, how it gets out, where its bytes lie, how it is reached."""

from portable.graph.mermaid import mermaid
from portable.graph.page import page
from portable.graph.picture import Picture, Row, drawn, picture
from portable.graph.sheet import sheet
from portable.graph.svg import svg

__all__ = ["Picture", "Row", "drawn", "mermaid", "page", "picture", "sheet", "svg"]
