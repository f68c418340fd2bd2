"""`kairos run live` where the folder of conditions has `share` in it: python -m tests.extension.live."""

import sys

from kairos.parts.live import main
from kairos.settings import Settings
from tests.extension import install

if __name__ == "__main__":
    install()
    sys.exit(main(Settings.from_env()))
