"""The folder of the shipped catalog: alone in a module, since few who need it need to read it too."""

from pathlib import Path

SHIPPED = Path(__file__).parent
