"""`python -m kairos`."""

from kairos.launcher import main

main()
