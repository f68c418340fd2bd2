"""The demo: a simulated shop, the outside world on loopback, and a look at what the engine makes of it."""
