"""The processes of Kairos, one a file: what `kairos run PART` starts."""
