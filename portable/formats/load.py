from portable.catalog.loader import *  # noqa: F403
from portable.catalog.loader import Document, Steps, convert, load, read, schema  # noqa: F401
