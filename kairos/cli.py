"""The command line: one command a file in `kairos/commands`, found by its name.

Exit codes: 0 done, 1 found problems, 2 wrong usage or settings, 3 replaced by another engine.
"""

from cyclopts import App

from kairos import __version__
from kairos.discovery import found_in

app = App(
    name="kairos",
    help="Kairos, the right moment: a real-time customer data platform engine.",
    version=__version__,
)
for _name, _module in found_in("kairos.commands").items():
    app.command(_module.command, name=_name)
