"""What carries the collector over HTTP."""
