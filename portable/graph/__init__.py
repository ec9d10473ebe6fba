"""Draw a plan: groups, egress, storage and exposure of its apps."""

from portable.graph.mermaid import mermaid
from portable.graph.page import page
from portable.graph.picture import Picture, PictureRow, drawn, picture
from portable.graph.sheet import sheet
from portable.graph.svg import svg

__all__ = ["Picture", "PictureRow", "drawn", "mermaid", "page", "picture", "sheet", "svg"]
