"""Streams of changes: Server-Sent Events, multipart responses, and operations over WebSockets."""
