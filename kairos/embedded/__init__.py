"""The embedded stack: everything on one machine, with nothing installed beside Python."""
