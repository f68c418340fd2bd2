"""One person as Kairos knows them, read beside a running engine."""
