"""The HTTP door: Segment- and RudderStack-compatible API."""
