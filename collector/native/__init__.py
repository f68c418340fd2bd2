"""HTTP/1.1 without a framework: the same application, less between it and the socket.

llhttp (by `httptools`) parses strictly; what it lets pass is bounded here. There is no TLS and no
HTTP/2: a proxy in front of it has those.
"""
